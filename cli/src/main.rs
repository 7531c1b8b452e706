//! The rhizome command: your pod from the terminal.
//!
//! Every command works on the pod's home directory; if a node holds it (`rhizome up`), the command asks that node instead. Exit codes:
//! 0 done, 1 it failed, 2 the command line is wrong, 3 there is no pod, 4 the pod is in use, 5 `doctor` found something.

mod apps;
mod arguments;
mod backup;
mod bench;
mod cloud_peer;
mod commands;
mod compare;
mod drafts;
mod export;
mod following;
mod groups;
mod network;
mod open;
mod output;
mod past;
mod recovery;
mod repl;
mod search;
mod sharing;
mod sync_sql;

use arguments::{
    AppsCommand, Arguments, Command, DevicesCommand, GroupCommand, PeersCommand, ProposalsCommand,
    RecoveryCommand, SharedCommand,
};
use clap::Parser;
use output::{Failure, Output};
use rhizome_pod::{CloudOptions, WebSocketConfig};
use std::process::ExitCode;

/// What is said on standard error, unless `RHIZOME_LOG` says otherwise. That a node leaves its relay is no error.
const LOG: &str = "warn,iroh::socket::transports::relay=off,iroh_relay::server::client=error";

/// Commits and queries allocate much that is small and short-lived.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("RHIZOME_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(LOG)),
        )
        .init();
    let output = Output::new(arguments.json);
    match run(&arguments, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit)
        }
    }
}

fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let home = open::Home::new(arguments)?;
    match &arguments.command {
        Command::Init => commands::init(&home, output),
        Command::Up {
            listen,
            reach,
            mode,
            no_open,
        } => {
            let how = commands::Running {
                listen: *listen,
                reach: *reach,
                mode: (*mode).into(),
                no_open: *no_open,
            };
            commands::up(&home, &how, output)
        }
        Command::Import {
            paths,
            dry_run,
            mapping,
            importer,
        } => commands::import(
            &home,
            paths,
            *dry_run,
            mapping.as_deref(),
            importer.as_deref(),
            output,
        ),
        Command::Query {
            query,
            input,
            pod,
            draft,
            as_of,
        } => {
            let of = match (pod, draft, as_of) {
                (_, Some(draft), _) => commands::Asked::Draft(draft),
                (Some(pod), None, _) => commands::Asked::Pod(pod),
                (None, None, Some(time)) => commands::Asked::AsOf(time),
                (None, None, None) => commands::Asked::Own,
            };
            commands::query(&home, query, input, of, output)
        }
        Command::Export { format, out } => export::export(&home, format.as_deref(), out, output),
        Command::Backup {
            directory,
            every,
            verify,
            off,
            state,
        } => {
            let wanted = backup::Wanted {
                directory: directory.as_deref(),
                hours: *every,
                verify: *verify,
                off: *off,
                state: *state,
            };
            backup::backup(&home, &wanted, output)
        }
        Command::Storage { limit } => commands::storage(&home, *limit, output),
        Command::Gc { days, dry_run } => commands::collect_garbage(&home, *days, *dry_run, output),
        Command::Restore { directory } => backup::restore(&home, directory, output),
        Command::SyncSql {
            to,
            table,
            query,
            input,
            once,
        } => {
            let wanted = sync_sql::Wanted {
                to,
                table,
                query,
                input,
                once: *once,
            };
            sync_sql::run(&home, &wanted, output)
        }
        Command::Log { limit } => past::log(&home, *limit, output),
        Command::Undo { commit } => past::undo(&home, commit.as_deref(), output),
        Command::Search {
            words,
            attribute,
            r#type,
            limit,
            pod,
        } => {
            let wanted = rhizome_pod::Search {
                q: words.join(" "),
                attributes: attribute.clone(),
                kind: r#type.clone(),
                limit: Some(*limit),
                pod: pod.clone(),
            };
            search::run(&home, &wanted, output)
        }
        Command::Repl => repl::run(&home, output),
        Command::Tx { file, pod } => commands::tx(&home, file, pod.as_deref(), output),
        Command::Grant {
            predicate,
            can,
            to,
            days,
            listen,
        } => {
            let wanted = sharing::Wanted {
                predicate,
                can,
                to,
                days: *days,
            };
            sharing::grant(&home, &wanted, *listen, output)
        }
        Command::Accept { invite, listen } => sharing::accept(&home, invite, *listen, output),
        Command::Grants => sharing::grants(&home, output),
        Command::Revoke { grant, listen } => sharing::revoke(&home, grant, *listen, output),
        Command::Follow { did, at, listen } => {
            following::follow(&home, did, at.as_deref(), *listen, output)
        }
        Command::Unfollow { did } => following::unfollow(&home, did, output),
        Command::Following => following::following(&home, output),
        Command::Timeline { limit } => following::timeline(&home, *limit, output),
        Command::Drafts => drafts::list(&home, output),
        Command::Draft { command } => drafts::run(&home, command, output),
        Command::Groups => groups::list(&home, output),
        Command::Group { command } => match command {
            GroupCommand::Create { name, listen } => groups::create(&home, name, *listen, output),
            GroupCommand::Invite {
                group,
                to,
                role,
                listen,
            } => groups::invite(&home, (group, to, role), *listen, output),
            GroupCommand::Members { group } => groups::members(&home, group, output),
            GroupCommand::Remove { group, did, listen } => {
                groups::remove(&home, (group, did), *listen, output)
            }
            GroupCommand::Leave { group, listen } => groups::leave(&home, group, *listen, output),
        },
        Command::Shared { command: None } => sharing::shared(&home, output),
        Command::Shared {
            command: Some(SharedCommand::Forget { view }),
        } => sharing::forget(&home, view, output),
        Command::Propose { to, file, comment } => {
            sharing::propose(&home, to, file, comment, output)
        }
        Command::Apps { command } => match command {
            None => apps::list(&home, output),
            Some(AppsCommand::Show { code }) => apps::show(&home, code, output),
            Some(AppsCommand::Allow {
                code,
                predicate,
                can,
                days,
            }) => {
                let less = apps::Less {
                    predicate: predicate.as_deref(),
                    can: can.as_deref(),
                    days: *days,
                };
                apps::allow(&home, code, &less, output)
            }
            Some(AppsCommand::Deny { code }) => apps::deny(&home, code, output),
            Some(AppsCommand::Revoke { id }) => apps::revoke(&home, id, output),
            Some(AppsCommand::Activity { id }) => apps::activity(&home, id, output),
        },
        Command::Proposals { command } => match command {
            None => sharing::proposals(&home, output),
            Some(ProposalsCommand::Adopt { id, entity }) => {
                sharing::decide(&home, id, true, entity.as_deref(), output)
            }
            Some(ProposalsCommand::Comment { id, text }) => {
                sharing::comment(&home, id, text, output)
            }
            Some(ProposalsCommand::Undo { id }) => sharing::undo(&home, id, output),
            Some(ProposalsCommand::Decline { id }) => {
                sharing::decide(&home, id, false, None, output)
            }
        },
        Command::Pair {
            listen,
            member,
            compare: false,
        } => network::pair(&home, *listen, *member, output),
        Command::Pair {
            listen,
            member,
            compare: true,
        } => compare::pair(&home, *listen, *member, output),
        Command::Join { code, name, listen } => {
            network::join(&home, code, name.as_deref(), *listen, output)
        }
        Command::Devices { command } => match command {
            None => network::devices(&home, output),
            Some(DevicesCommand::Remove { key }) => network::remove_device(&home, key, output),
        },
        Command::Peers { command } => match command {
            None => network::peers(&home, output),
            Some(PeersCommand::Add { address, listen }) => {
                network::add_peer(&home, address, *listen, output)
            }
            Some(PeersCommand::PassOn {
                address,
                to,
                hours,
                quota,
            }) => network::pass_on(&home, address, to.as_deref(), *hours, *quota, output),
            Some(PeersCommand::Remove { key }) => network::remove_peer(&home, key, output),
        },
        Command::Sync { once: _, listen } => network::sync(&home, *listen, output),
        Command::CloudPeer {
            command: None,
            listen,
            quota,
            relay,
            relay_url,
            websocket,
            websocket_url,
        } => {
            let mut options = CloudOptions::at(vec![*listen]);
            options.quota = quota << 20;
            options.relay = *relay;
            options.relay_url.clone_from(relay_url);
            options.websocket = websocket.map(|listen| WebSocketConfig {
                listen,
                url: websocket_url.clone(),
            });
            cloud_peer::run(&home, options, output)
        }
        Command::CloudPeer {
            command: Some(command),
            ..
        } => cloud_peer::manage(&home, command, output),
        Command::Recover { peer, listen } => network::recover(&home, peer, *listen, output),
        Command::Recovery { command } => match command {
            None => recovery::state(&home, output),
            Some(RecoveryCommand::Card) => recovery::card(&home, output),
            Some(RecoveryCommand::Friends { need, cards }) => {
                recovery::friends(&home, *need, cards, output)
            }
            Some(RecoveryCommand::Ask { cards, out }) => recovery::ask(&home, cards, out, output),
            Some(RecoveryCommand::Sign { request, out }) => {
                recovery::sign(&home, request, out.as_ref(), output)
            }
            Some(RecoveryCommand::Finish { answers }) => recovery::finish(&home, answers, output),
        },
        Command::Digest => network::digest(&home, output),
        Command::Doctor { rebuild } => commands::doctor(&home, *rebuild, output),
        Command::Bench { tuples } => bench::run(*tuples, output),
        Command::Completions { shell } => {
            arguments::completions(*shell);
            Ok(())
        }
        Command::Man => arguments::man().map_err(|e| Failure::new(1, "output", e.to_string())),
    }
}
