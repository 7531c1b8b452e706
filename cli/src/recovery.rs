//! Friends who may take an identity back.

use crate::{
    open::{Home, Opened},
    output::{Failure, Output},
};
use rhizome_pod::{FriendRequest, MAX_RECOVERY_FILE, Pod};
use serde_json::json;
use std::{
    fmt::Write as _,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// Longest text that is read as recovery words.
const MAX_WORDS: u64 = 4096;

/// The words on standard input.
pub fn words(output: &Output, remark: &str) -> Result<String, Failure> {
    output.remark(remark);
    let mut words = String::new();
    std::io::stdin()
        .take(MAX_WORDS)
        .read_to_string(&mut words)
        .map_err(|e| Failure::new(1, "input", format!("standard input: {e}")))?;
    Ok(words)
}

/// The pod itself: keys are not for others to use.
fn open(home: &Home) -> Result<Box<Pod>, Failure> {
    match home.open("recovery")? {
        Opened::Here(pod) => Ok(pod),
        Opened::There(_) => Err(Failure::new(
            4,
            "in-use",
            "the pod is running: stop `rhizome up` first, this needs its keys",
        )),
    }
}

fn read(file: &Path) -> Result<FriendRequest, Failure> {
    let failed = |e| Failure::new(1, "file", format!("{}: {e}", file.display()));
    let mut bytes = Vec::new();
    let file = File::open(file).map_err(failed)?;
    file.take(MAX_RECOVERY_FILE as u64)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(FriendRequest::from_bytes(&bytes)?)
}

fn write(file: &Path, request: &FriendRequest) -> Result<(), Failure> {
    std::fs::write(file, request.to_bytes()?)
        .map_err(|e| Failure::new(1, "file", format!("{}: {e}", file.display())))
}

pub fn state(home: &Home, output: &Output) -> Result<(), Failure> {
    let pod = open(home)?;
    let backed_up = pod.recovery_words().is_none();
    let answer = json!({ "policies": pod.recovery_policies(), "words_confirmed": backed_up });
    output.answer(&answer, |a| {
        let mut text = String::from("Who may take this identity back, the strongest first:\n");
        for policy in a["policies"].as_array().into_iter().flatten() {
            let (k, n) = (&policy["need"], &policy["of"]);
            if k == 1 && n == 1 {
                text.push_str("  the 24 recovery words\n");
            } else {
                let _ = writeln!(text, "  {k} of {n} friends");
            }
        }
        if !backed_up {
            text.push_str("Nobody has confirmed yet that the words are written down.\n");
        }
        text
    })
}

pub fn card(home: &Home, output: &Output) -> Result<(), Failure> {
    let card = open(home)?.friend_card()?;
    output.answer(&json!({ "card": card }), |_| {
        format!("Give this to a friend who wants you among those who may recover them:\n\n  {card}")
    })
}

pub fn friends(home: &Home, need: u8, cards: &[String], output: &Output) -> Result<(), Failure> {
    let pod = open(home)?;
    let words = words(output, "Type your 24 words, then Enter and Ctrl-D:")?;
    pod.set_friends(&words, need, cards)?;
    output.answer(&json!({ "policies": pod.recovery_policies() }), |_| {
        format!(
            "{need} of these {} friends can take this identity back now, also from somebody who has your words.",
            cards.len()
        )
    })
}

pub fn ask(home: &Home, cards: &[String], out: &Path, output: &Output) -> Result<(), Failure> {
    let (request, words) = open(home)?.ask_friends(cards)?;
    write(out, &request)?;
    let answer = json!({ "request": out, "words": words.split(' ').collect::<Vec<_>>() });
    output.answer(&answer, |_| {
        format!(
            "Write these 24 words down now. They are in force when your friends have signed:\n\n  {}\n\nSend {} to {} friends, and tell them \
             yourself that it is you. With their answers: rhizome recovery finish ANSWER…",
            &*words,
            out.display(),
            request.need
        )
    })
}

pub fn sign(
    home: &Home,
    request: &Path,
    out: Option<&PathBuf>,
    output: &Output,
) -> Result<(), Failure> {
    let pod = open(home)?;
    let request = read(request)?;
    let Some(out) = out else {
        return output.answer(&request.to_json(), |_| {
            format!(
                "{} asks that from now on only {} be their device.\nHave you heard it from them, in their own voice? Then sign: add --out \
                 ANSWER-FILE.",
                request.did,
                request.devices.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            )
        });
    };
    let signed = pod.help_friend(request)?;
    write(out, &signed)?;
    output.answer(&signed.to_json(), |_| {
        format!("Signed. Send {} back.", out.display())
    })
}

pub fn finish(home: &Home, answers: &[PathBuf], output: &Output) -> Result<(), Failure> {
    let pod = open(home)?;
    let answers = answers.iter().map(|file| read(file));
    let answers = answers.collect::<Result<Vec<_>, _>>()?;
    let words = words(output, "Type the new 24 words, then Enter and Ctrl-D:")?;
    pod.finish_recovery(answers, &words)?;
    let answer =
        json!({ "did": pod.did(), "device": pod.device(), "policies": pod.recovery_policies() });
    output.answer(&answer, |_| {
        format!(
            "{} is yours; all other devices are out, and the new words are in force.",
            pod.did()
        )
    })
}
