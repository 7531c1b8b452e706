//! What happened, counted, so that nothing that should happen is silently missing.

macro_rules! counts {
    ($($field:ident $name:literal,)*) => {
        /// What happened in a simulation.
        #[derive(Default, Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Counts {
            $(#[doc = $name] pub $field: u64,)*
        }

        impl Counts {
            /// All of them with their names.
            pub fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$(($name, self.$field),)*]
            }

            /// Adds those of another simulation.
            pub fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }
        }
    };
}

counts! {
    events "events",
    messages "messages",
    connections "connections",
    parallel "connections beside another",
    rounds "rounds of sessions",
    equal "rounds that found both equal",
    writes "durable writes acknowledged",
    relaxed "relaxed writes",
    imports "imports",
    erasures "erasures",
    refused_writes "writes refused by a full disk",
    cut "connections cut",
    lost_messages "messages lost",
    black_holes "connections that swallow messages",
    partitions "partitions",
    silences "silences noticed",
    crashes "crashes",
    power "crashes in the middle of a write",
    survived "relaxed batches that survived a crash",
    lost_batches "relaxed batches lost by crashes",
    lost_commits "commits lost by crashes",
    reopened "devices opened again",
    skewed "devices with a wrong clock",
    joins "devices added",
    half_joins "additions broken off half-way",
    removals "devices removed",
    concurrent "removals by two at once",
    epochs "epochs made",
    turned_away "removed devices turned away",
    stayed_out "commits refused of removed devices",
    void "commits without effect in the end",
    no_key "commits refused until a key came",
    twice "commits that came twice",
    hollow "leaves that came without bytes",
    filled "leaves filled in",
    sealed "seeds with a sealed peer",
    liars "seeds with a liar",
    garbled "messages garbled",
    doubled "messages sent twice",
    reordered "messages out of order",
    withheld "messages withheld",
    stripped "leaves withheld",
    equivocated "places written twice",
    clock_lies "commits with a lying clock",
    forged "commits forged in another's name",
    false_papers "certificates forged",
    revoked "revoked writes offered again",
    forks "forks proved",
    aborted "sessions aborted",
}
