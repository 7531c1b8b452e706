//! What the pod answers to whoever reaches its port: by its description, by those who may not, and to everybody.

mod answers;
mod ask;
mod crawler;
mod description;
mod gateway;
mod hostile;
mod metrics;
#[path = "../node.rs"]
#[allow(dead_code)]
mod node;
mod person;
mod room;
mod schema;
