//! Attribute names that this crate writes, made once.

macro_rules! names {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $($field:ident: $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone)]
        $vis struct $name { $(pub $field: rhizome_tuple::Attribute,)+ }

        impl $name {
            pub fn new() -> Self {
                Self { $($field: crate::importer::attribute($text),)+ }
            }

        }

        #[cfg(test)]
        impl $name {
            /// Every name, checked against the public schemas.
            fn all() -> Vec<&'static str> {
                vec![$($text),+]
            }
        }

        #[cfg(test)]
        #[test]
        fn every_name_is_in_a_public_schema() {
            let schemas = rhizome_schema::Schemas::built_in();
            for name in $name::all() {
                assert!(schemas.attribute(name).is_some(), "{name}");
                assert_eq!(crate::importer::attribute(name).as_str(), name);
            }
        }
    };
}

pub(crate) use names;

names! {
    /// `org.rhizome.import/1`.
    pub(crate) struct ImportNames {
        account: "import/account",
        added: "import/added",
        attribute: "import/attribute",
        base: "import/base",
        batch: "import/batch",
        blob: "import/blob",
        bytes: "import/bytes",
        changed: "import/changed",
        creator: "import/creator",
        file: "import/file",
        finished: "import/finished",
        hash: "import/hash",
        importer: "import/importer",
        key: "import/key",
        mime: "import/mime",
        of: "import/of",
        path: "import/path",
        run: "import/run",
        skipped: "import/skipped",
        source: "import/source",
        started: "import/started",
        state: "import/state",
        r#type: "import/type",
        unchanged: "import/unchanged",
        value: "import/value",
        values: "import/values",
    }
}
