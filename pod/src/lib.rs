//! A running node: pod directory, writer, HTTP and WebSocket API, console.
