//! The attributes that a track fills.

crate::vocabulary::names! {
    /// Attributes of `org.rhizome.place/1`, made once.
    pub struct Names {
        activity: "place/activity",
        description: "place/description",
        distance: "place/distance",
        east: "place/east",
        elevation: "place/elevation",
        end: "place/end",
        latitude: "place/latitude",
        longitude: "place/longitude",
        name: "place/name",
        north: "place/north",
        path: "place/path",
        points: "place/points",
        south: "place/south",
        symbol: "place/symbol",
        time: "place/time",
        r#type: "place/type",
        url: "place/url",
        west: "place/west",
    }
}
