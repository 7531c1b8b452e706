//! What holds for links of every kind.

use std::time::Duration;

use rhizome_network::{MAX_MESSAGE, NetworkError, Route};

use crate::peers::{KINDS, Kind, linked, public, soon};

#[tokio::test]
async fn both_ends_know_each_other_and_share_a_secret() {
    let mut seen = vec![];
    for kind in KINDS {
        for _ in 0..2 {
            let (a, b, keep) = linked(kind).await;
            assert_eq!(a.peer(), public(2), "{kind:?}");
            assert_eq!(b.peer(), public(1), "{kind:?}");
            assert_eq!(a.keying(), b.keying(), "{kind:?}");
            if kind != Kind::Memory {
                assert!(!seen.contains(&a.keying()), "{kind:?}");
                seen.push(a.keying());
            }
            match kind {
                Kind::Memory => assert_eq!(a.route(), Route::Memory),
                Kind::Quic => assert!(matches!(a.route(), Route::Direct(_))),
                Kind::WebSocket => assert_eq!(a.route(), Route::WebSocket),
            }
            drop((a, b));
            keep.end().await;
        }
    }
}

#[tokio::test]
async fn messages_arrive_whole_and_in_order() {
    for kind in KINDS {
        let (a, b, keep) = linked(kind).await;
        let lengths = [
            0,
            1,
            125,
            126,
            127,
            128,
            16_383,
            16_384,
            16_385,
            65_536,
            300_000,
            MAX_MESSAGE,
            0,
            3,
        ];
        let message = |i: usize, len: usize| -> Vec<u8> {
            (0..len).map(|at| (at * 31 + i * 7) as u8).collect()
        };
        let (mut to_b, mut from_b) = a.split();
        let (mut to_a, mut from_a) = b.split();
        let there = tokio::spawn(async move {
            for (i, len) in lengths.into_iter().enumerate() {
                to_b.send(message(i, len)).await.unwrap();
            }
            to_b.finish().await.unwrap();
            to_b
        });
        let back = tokio::spawn(async move {
            let mut count = 0;
            while let Some(m) = from_a.receive().await.unwrap() {
                assert_eq!(m, message(count, lengths[count]));
                count += 1;
                to_a.send(m).await.unwrap();
            }
            assert_eq!(count, lengths.len());
            to_a.finish().await.unwrap();
            (to_a, from_a)
        });
        for (i, len) in lengths.into_iter().enumerate() {
            let m = soon(from_b.receive()).await.unwrap().unwrap();
            assert_eq!(m, message(i, len), "{kind:?}");
        }
        assert_eq!(soon(from_b.receive()).await.unwrap(), None, "{kind:?}");
        assert_eq!(
            soon(from_b.receive()).await.unwrap(),
            None,
            "{kind:?}: again"
        );
        let to_b = soon(there).await.unwrap();
        let (to_a, from_a) = soon(back).await.unwrap();
        // What one end has sent the other has received, framing included.
        assert_eq!(to_b.traffic().sent, from_a.traffic().received, "{kind:?}");
        assert_eq!(to_a.traffic().sent, from_b.traffic().received, "{kind:?}");
        let content: usize = lengths.iter().sum();
        let framing = to_b.traffic().sent - content as u64;
        let most = if kind == Kind::WebSocket { 31 } else { 3 };
        assert!(
            framing <= most * (lengths.len() as u64 + 1),
            "{kind:?}: {framing}"
        );
        drop((to_a, from_a, to_b, from_b));
        keep.end().await;
    }
}

#[tokio::test]
async fn a_long_message_is_refused_and_does_no_harm() {
    for kind in KINDS {
        let (mut a, mut b, keep) = linked(kind).await;
        let error = a.send(vec![0; MAX_MESSAGE + 1]).await.unwrap_err();
        assert_eq!(
            error,
            NetworkError::MessageTooLong {
                len: MAX_MESSAGE + 1,
                max: MAX_MESSAGE
            }
        );
        a.send("still here").await.unwrap();
        assert_eq!(soon(b.receive()).await.unwrap().unwrap(), "still here");
        drop((a, b));
        keep.end().await;
    }
}

/// The last messages before `close` arrive, although both sides close at once and the reader is slow.
#[tokio::test]
async fn closing_loses_nothing() {
    for kind in KINDS {
        let (mut a, mut b, keep) = linked(kind).await;
        let reader = tokio::spawn(async move {
            b.send("hello").await.unwrap();
            let mut got = 0;
            let (mut sender, mut receiver) = b.split();
            sender.finish().await.unwrap();
            while let Some(m) = receiver.receive().await.unwrap() {
                got += m.len();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            got
        });
        for _ in 0..40 {
            soon(a.send(vec![5; 50_000])).await.unwrap();
        }
        soon(a.close()).await.unwrap();
        assert_eq!(soon(reader).await.unwrap(), 40 * 50_000, "{kind:?}");
        keep.end().await;
    }
}

/// A link that is dropped is not the same as one that was finished.
#[tokio::test]
async fn a_dropped_link_is_lost() {
    for kind in KINDS {
        let (mut a, mut b, keep) = linked(kind).await;
        a.send("one").await.unwrap();
        assert_eq!(soon(b.receive()).await.unwrap().unwrap(), "one");
        drop(a);
        let error = soon(b.receive()).await.unwrap_err();
        assert!(
            matches!(error, NetworkError::Lost { peer, .. } if peer == public(1)),
            "{kind:?}: {error:?}"
        );
        drop(b);
        keep.end().await;
    }
}

/// A reader that does not read stops the writer: what is under way is bounded.
#[tokio::test]
async fn a_slow_reader_stops_the_writer() {
    for kind in KINDS {
        let (mut a, mut b, keep) = linked(kind).await;
        let mut sent = 0_u64;
        // The system's buffers of a TCP connection hold some megabytes.
        while tokio::time::timeout(Duration::from_millis(500), a.send(vec![1; 256 * 1024]))
            .await
            .is_ok_and(|r| r.is_ok())
        {
            sent += 1;
            assert!(sent < 200, "{kind:?}: 50 MB and no end");
        }
        assert!(sent < 64, "{kind:?}: {sent} messages of 256 KiB");
        // It goes on when the reader does; the message that was given up half way arrives whole or not at all.
        let reader = tokio::spawn(async move {
            let mut count = 0_u64;
            while let Some(m) = b.receive().await.unwrap() {
                if m == "last" {
                    return count;
                }
                assert_eq!(m.len(), 256 * 1024);
                count += 1;
            }
            panic!("no last message");
        });
        soon(a.send("last")).await.unwrap();
        let count = soon(reader).await.unwrap();
        assert!(
            count == sent || count == sent + 1,
            "{kind:?}: {count} of {sent}"
        );
        drop(a);
        keep.end().await;
    }
}

#[tokio::test]
async fn halves_come_together_again() {
    let (a, b, keep) = linked(Kind::Memory).await;
    let (a_sender, a_receiver) = a.split();
    let (b_sender, b_receiver) = b.split();
    let (a_sender, b_receiver) = rhizome_network::Link::join(a_sender, b_receiver).unwrap_err();
    let mut a = rhizome_network::Link::join(a_sender, a_receiver).unwrap();
    let mut b = rhizome_network::Link::join(b_sender, b_receiver).unwrap();
    a.send("x").await.unwrap();
    assert_eq!(b.receive().await.unwrap().unwrap(), "x");
    keep.end().await;
}

/// What a peer sends outside the rules breaks the link and nothing else.
#[tokio::test]
async fn futures_that_are_dropped_lose_nothing() {
    for kind in KINDS {
        let (mut a, mut b, keep) = linked(kind).await;
        for round in 0..20_u8 {
            // Given up before anything has arrived.
            assert!(
                tokio::time::timeout(Duration::from_millis(1), b.receive())
                    .await
                    .is_err()
            );
            a.send(vec![round; 30_000]).await.unwrap();
            let m = loop {
                if let Ok(m) = tokio::time::timeout(Duration::from_micros(200), b.receive()).await {
                    break m.unwrap().unwrap();
                }
            };
            assert_eq!(m, vec![round; 30_000]);
        }
        drop((a, b));
        keep.end().await;
    }
}
