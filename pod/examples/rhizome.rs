//! stand-in
use rhizome_pod::*;
use std::{io::Read, path::Path, sync::Arc};
fn main() {
    let a: Vec<String> = std::env::args().skip(1).collect();
    let home = PodHome::at(&a[1]);
    let o = Opening::by(&format!("rhizome {}", a[2]));
    let client = Client::connect(&home);
    let r: Result<(), PodError> = (|| {
        match a[2].as_str() {
            "init" => drop(home.init(&o)?),
            "up" => {
                let at = a
                    .iter()
                    .position(|x| x == "--listen")
                    .map(|i| a[i + 1].clone())
                    .unwrap();
                serve(Arc::new(home.open(&o)?), at.parse().unwrap(), |r| {
                    println!("{}", serde_json::json!({"url": r.url, "token": r.token}))
                })?
            }
            "tx" => {
                let mut s = String::new();
                std::io::stdin().read_to_string(&mut s).unwrap();
                println!(
                    "{}",
                    client
                        .unwrap()
                        .transact(&serde_json::from_str(&s).unwrap())?
                )
            }
            "query" => {
                let q = serde_json::Value::from(a.last().unwrap().as_str());
                println!(
                    "{}",
                    match client {
                        Some(c) => c.query(&q, &[])?,
                        None => home.open(&o)?.query(&q, &[], &false.into())?,
                    }
                )
            }
            "import" => match client {
                Some(c) => {
                    let j = c.import(Path::new(&a[3]), None, None, false)?;
                    let id = j["job"].as_str().unwrap().to_owned();
                    loop {
                        let j = c.import_job(&id)?;
                        if j["state"] == "done" {
                            println!("{}", j["report"]);
                            break;
                        }
                        if j["state"] == "failed" {
                            panic!("{j}")
                        }
                        std::thread::sleep(std::time::Duration::from_millis(100));
                    }
                }
                None => println!(
                    "{}",
                    serde_json::to_string(
                        &home
                            .open(&o)?
                            .import(
                                Path::new(&a[3]),
                                &Default::default(),
                                &mut |_| {},
                                &Default::default()
                            )
                            .map_err(|e| e.error)?
                    )
                    .unwrap()
                ),
            },
            "doctor" => println!(
                "{}",
                home.open(&o)?.doctor(&mut |_| {}, &false.into())?.to_json()
            ),
            _ => panic!(),
        }
        Ok(())
    })();
    if let Err(e) = r {
        eprintln!("{e}");
        std::process::exit(1)
    }
}
