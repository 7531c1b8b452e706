//! The attributes that a vCard fills.

crate::vocabulary::names! {
    /// Attributes of `org.rhizome.contact/1`, made once.
    pub struct Names {
        additional_name: "contact/additional-name",
        address: "contact/address",
        anniversary: "contact/anniversary",
        birthday: "contact/birthday",
        category: "contact/category",
        email: "contact/email",
        family_name: "contact/family-name",
        field: "contact/field",
        gender: "contact/gender",
        given_name: "contact/given-name",
        impp: "contact/impp",
        language: "contact/language",
        latitude: "contact/latitude",
        longitude: "contact/longitude",
        member: "contact/member",
        name: "contact/name",
        nickname: "contact/nickname",
        note: "contact/note",
        org: "contact/org",
        photo: "contact/photo",
        photo_url: "contact/photo-url",
        prefix: "contact/prefix",
        related: "contact/related",
        role: "contact/role",
        suffix: "contact/suffix",
        tel: "contact/tel",
        time_zone: "contact/time-zone",
        title: "contact/title",
        r#type: "contact/type",
        uid: "contact/uid",
        updated: "contact/updated",
        url: "contact/url",
    }
}
