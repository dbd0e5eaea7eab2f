//! The writer: batches, savepoints, failures, observers.

use std::sync::{Arc, Mutex};

use cheeseshop_domain::{Serial, UserProfile};
use cheeseshop_storage::database::{change_log, projects, settings, users};
use cheeseshop_storage::{Committed, Committer, Database, DatabaseError, Transaction};
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::oneshot;

use crate::support::{
    Kind, Write, event, for_each_database, origin, project_name, record, setting, write,
};

/// Keeps the writer busy until the sender is used, so that what is queued meanwhile becomes one
/// batch. Returns once the writer is in it.
async fn hold_writer(
    database: &Database,
) -> (oneshot::Sender<()>, tokio::task::JoinHandle<Write<()>>) {
    let (release, released) = oneshot::channel();
    let (entered, is_in) = oneshot::channel();
    let database = database.clone();
    let held = tokio::spawn(async move {
        write(&database, move |_| {
            Box::pin(async move {
                entered.send(()).unwrap();
                released.await.unwrap();
                Ok(())
            })
        })
        .await
    });
    is_in.await.unwrap();
    (release, held)
}

/// Queues all writes, in their order, while the writer is busy; then lets it run.
async fn run_as_one_batch<T>(
    database: &Database,
    writes: Vec<BoxFuture<'_, Write<T>>>,
) -> Vec<Write<T>> {
    let (release, held) = hold_writer(database).await;
    let mut writes = writes;
    for write in &mut writes {
        // The first poll queues the operation.
        assert!(futures_util::poll!(write).is_pending());
    }
    release.send(()).unwrap();
    held.await.unwrap().unwrap();
    join_all(writes).await
}

fn leave_trace<'a>(database: &'a Database, name: &str) -> BoxFuture<'a, Write<()>> {
    let name = name.to_owned();
    Box::pin(write(database, move |tx| {
        Box::pin(async move {
            settings::set(tx, &name, "done").await?;
            tx.record(event(&name));
            Ok(())
        })
    }))
}

#[tokio::test]
async fn operations_that_wait_share_a_commit() {
    for_each_database(async |test| {
        let database = test.open().await;
        let before = database.write_statistics();
        let names: Vec<String> = (0..50).map(|number| format!("n{number}")).collect();
        let writes = names
            .iter()
            .map(|name| leave_trace(&database, name))
            .collect();
        let results = run_as_one_batch(&database, writes).await;
        let serials: Vec<Serial> = results
            .into_iter()
            .map(|done| done.unwrap().serial)
            .collect();
        assert_eq!(serials, (1..=50).map(Serial).collect::<Vec<_>>());
        let after = database.write_statistics();
        // Two when nothing else keeps the machine busy: that of the operation which held up the
        // writer, and one for all others. A batch that takes long is cut.
        let commits = after.commits - before.commits;
        assert!((2..15).contains(&commits), "{commits} commits");
        assert_eq!(after.operations - before.operations, 51);
        for name in names {
            assert_eq!(setting(&database, &name).await.as_deref(), Some("done"));
        }
        database.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_failing_operation_does_not_hurt_its_batch_mates() {
    for_each_database(async |test| {
        let database = test.open().await;
        let failing = |name: &'static str| -> BoxFuture<'_, Write<()>> {
            Box::pin(write(&database, move |tx| {
                Box::pin(async move {
                    settings::set(tx, name, "half").await?;
                    tx.record(event("never"));
                    Err(DatabaseError::Configuration("on purpose".to_owned()))
                })
            }))
        };
        let violating: BoxFuture<'_, Write<()>> = Box::pin(write(&database, |tx| {
            Box::pin(async move {
                let name = cheeseshop_domain::UserName::parse("twice").unwrap();
                let now = tx.now();
                for _ in 0..2 {
                    users::create(tx, &name, None, &UserProfile::default(), now).await?;
                }
                Ok(())
            })
        }));
        let results = run_as_one_batch(
            &database,
            vec![
                failing("first"),
                leave_trace(&database, "a"),
                failing("middle"),
                violating,
                leave_trace(&database, "b"),
                failing("last"),
            ],
        )
        .await;
        let shown: Vec<String> = results
            .iter()
            .map(|result| match result {
                Ok(done) => format!("{}", done.serial),
                Err(error) => error.to_string(),
            })
            .collect();
        let failed = "on purpose";
        assert_eq!(shown, [failed, "1", failed, "already exists", "2", failed]);
        for name in ["first", "middle", "last"] {
            assert_eq!(setting(&database, name).await, None);
        }
        for name in ["a", "b"] {
            assert!(setting(&database, name).await.is_some());
        }
        let mut reader = database.reader().await.unwrap();
        assert_eq!(users::find(&mut reader, "twice").await.unwrap(), None);
        assert_eq!(change_log::head(&mut reader).await.unwrap(), Serial(2));
        drop(reader);
        assert_eq!(database.write_statistics().failures, 4);
        assert_eq!(change_log::verify(&database).await.unwrap().broken, None);
    })
    .await;
}

#[tokio::test]
async fn a_failing_operation_alone_leaves_nothing() {
    for_each_database(async |test| {
        let database = test.open().await;
        let result: Write<()> = write(&database, |tx| {
            Box::pin(async move {
                settings::set(tx, "x", "half").await?;
                tx.record(event("never"));
                Err(DatabaseError::NotFound)
            })
        })
        .await;
        assert!(matches!(result, Err(DatabaseError::NotFound)));
        assert_eq!(setting(&database, "x").await, None);
        assert_eq!(record(&database, "next").await, Serial(1));
    })
    .await;
}

#[tokio::test]
async fn a_panic_fails_only_its_own_operation() {
    for_each_database(async |test| {
        let database = test.open().await;
        let panicking = || -> BoxFuture<'_, Write<()>> {
            Box::pin(write(&database, |tx| {
                Box::pin(async move {
                    settings::set(tx, "panicked", "half").await?;
                    panic!("on purpose");
                })
            }))
        };
        let early: BoxFuture<'_, Write<()>> = Box::pin(write(&database, |_| panic!("early")));
        let results = run_as_one_batch(
            &database,
            vec![
                leave_trace(&database, "a"),
                panicking(),
                early,
                leave_trace(&database, "b"),
            ],
        )
        .await;
        assert!(results[0].is_ok() && results[3].is_ok());
        for result in [&results[1], &results[2]] {
            assert!(
                matches!(result, Err(DatabaseError::OperationPanicked)),
                "{result:?}"
            );
        }
        // And alone in its batch.
        assert!(matches!(
            panicking().await,
            Err(DatabaseError::OperationPanicked)
        ));
        assert_eq!(setting(&database, "panicked").await, None);
        assert_eq!(record(&database, "alive").await, Serial(3));
    })
    .await;
}

#[tokio::test]
async fn an_operation_cannot_go_on_after_a_failed_statement() {
    for_each_database(async |test| {
        let database = test.open().await;
        // Swallowing the error would work on SQLite and not on PostgreSQL: it works on neither.
        let swallow = |then: &'static str| -> BoxFuture<'_, Write<()>> {
            Box::pin(write(&database, move |tx| {
                Box::pin(async move {
                    let missing = cheeseshop_domain::IndexId(4711);
                    let error = projects::find_or_create(tx, missing, &project_name("x")).await;
                    assert!(matches!(error, Err(DatabaseError::Referenced)), "{error:?}");
                    if then == "read" {
                        settings::get(tx, "x").await?;
                    }
                    Ok(())
                })
            }))
        };
        for then in ["read", "succeed"] {
            let alone = swallow(then).await;
            assert!(matches!(alone, Err(DatabaseError::Aborted)), "{alone:?}");
        }
        let results = run_as_one_batch(
            &database,
            vec![
                swallow("succeed"),
                leave_trace(&database, "a"),
                swallow("read"),
                leave_trace(&database, "b"),
            ],
        )
        .await;
        let succeeded: Vec<bool> = results.iter().map(Result::is_ok).collect();
        assert_eq!(succeeded, [false, true, false, true]);
    })
    .await;
}

#[tokio::test]
async fn serials_are_gap_free_under_concurrency() {
    for_each_database(async |test| {
        // Two writers, as two nodes or processes are.
        let databases = [test.open().await, test.open().await];
        let mut tasks = Vec::new();
        for number in 0..60 {
            let database = databases[number % 2].clone();
            tasks.push(tokio::spawn(async move {
                let mut serials = Vec::new();
                for round in 0..5 {
                    let fails = (number + round) % 7 == 0;
                    let result: Write<()> = write(&database, move |tx| {
                        Box::pin(async move {
                            tx.record(event("bob/dev/pkg"));
                            tx.record(event("bob/dev/pkg"));
                            if fails {
                                return Err(DatabaseError::NotFound);
                            }
                            Ok(())
                        })
                    })
                    .await;
                    if let Ok(done) = result {
                        serials.extend([done.serial.0 - 1, done.serial.0]);
                    }
                }
                serials
            }));
        }
        let mut serials = Vec::new();
        for task in tasks {
            serials.extend(task.await.unwrap());
        }
        serials.sort_unstable();
        let expected: Vec<i64> = (1..=i64::try_from(serials.len()).unwrap()).collect();
        assert_eq!(serials, expected);
        assert_eq!(
            databases[0].head().await.unwrap().0,
            *expected.last().unwrap()
        );
        let report = change_log::verify(&databases[1]).await.unwrap();
        assert_eq!(
            (report.broken, report.verified),
            (None, serials.len() as u64)
        );
        let commits: u64 = databases
            .iter()
            .map(|database| database.write_statistics().commits)
            .sum();
        assert!(
            commits < 250,
            "{commits} commits for {} events",
            serials.len()
        );
    })
    .await;
}

#[tokio::test]
async fn observers_know_before_the_caller() {
    for_each_database(async |test| {
        let database = test.open().await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        database.observe(move |events, _| {
            let mut noted = noted.lock().unwrap();
            noted.extend(events.iter().map(|event| event.serial.0));
        });
        for number in 1..=20 {
            let serial = record(&database, "x").await;
            assert_eq!(serial.0, number);
            assert_eq!(seen.lock().unwrap().last(), Some(&number));
        }
        assert_eq!(*seen.lock().unwrap(), (1..=20).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn observers_run_after_the_commit() {
    for_each_database(async |test| {
        let database = test.open().await;
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (noted, config, clock) = (Arc::clone(&heads), test.config.clone(), test.clock.clone());
        database.observe(move |_, _| {
            // Another process, as it were, which needs a runtime that is not held up by this.
            let (config, clock) = (config.clone(), clock.clone());
            let other = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    let other = Database::open(&config, clock).await.unwrap();
                    other.head().await.unwrap()
                })
            });
            noted.lock().unwrap().push(other.join().unwrap());
        });
        record(&database, "x").await;
        record(&database, "y").await;
        assert_eq!(*heads.lock().unwrap(), [Serial(1), Serial(2)]);
    })
    .await;
}

#[tokio::test]
async fn a_panicking_observer_harms_nobody() {
    for_each_database(async |test| {
        let database = test.open().await;
        database.observe(|_, _| panic!("on purpose"));
        let seen = Arc::new(Mutex::new(0));
        let noted = Arc::clone(&seen);
        database.observe(move |events, _| *noted.lock().unwrap() += events.len());
        record(&database, "a").await;
        record(&database, "b").await;
        assert_eq!(*seen.lock().unwrap(), 2);
    })
    .await;
}

#[tokio::test]
async fn events_of_another_process_reach_observers_in_order() {
    for_each_database(async |test| {
        let database = test.open().await;
        let other = test.open().await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        database.observe(move |events, committer| {
            let whose = match committer {
                Committer::ThisProcess => "own",
                Committer::Another => "foreign",
            };
            for event in events {
                assert!(event.event.subject.starts_with(whose), "{event:?}");
                noted.lock().unwrap().push(event.event.subject.clone());
            }
        });
        record(&database, "own 1").await;
        record(&other, "foreign 2").await;
        record(&other, "foreign 3").await;
        record(&database, "own 4").await;
        record(&other, "foreign 5").await;
        // An operation without an event brings them as well.
        leave_no_event(&database).await;
        record(&database, "own 6").await;
        let expected = [
            "own 1",
            "foreign 2",
            "foreign 3",
            "own 4",
            "foreign 5",
            "own 6",
        ];
        assert_eq!(*seen.lock().unwrap(), expected);
    })
    .await;
}

async fn leave_no_event(database: &Database) -> Committed<()> {
    let result: Write<()> = write(database, |tx| {
        Box::pin(async move { settings::set(tx, "x", "y").await })
    })
    .await;
    result.unwrap()
}

#[tokio::test]
async fn an_operation_without_events_reports_the_head() {
    for_each_database(async |test| {
        let database = test.open().await;
        assert_eq!(leave_no_event(&database).await.serial, Serial(0));
        record(&database, "x").await;
        assert_eq!(leave_no_event(&database).await.serial, Serial(1));
    })
    .await;
}

#[tokio::test]
async fn an_operation_whose_caller_left_before_its_turn_is_not_run() {
    for_each_database(async |test| {
        let database = test.open().await;
        let (release, held) = hold_writer(&database).await;
        let mut abandoned = leave_trace(&database, "abandoned");
        assert!(futures_util::poll!(&mut abandoned).is_pending());
        drop(abandoned);
        let mut kept = leave_trace(&database, "kept");
        assert!(futures_util::poll!(&mut kept).is_pending());
        release.send(()).unwrap();
        held.await.unwrap().unwrap();
        kept.await.unwrap();
        assert_eq!(setting(&database, "abandoned").await, None);
        assert!(setting(&database, "kept").await.is_some());
    })
    .await;
}

#[tokio::test]
async fn a_full_queue_holds_back_and_then_says_busy() {
    for_each_database(async |mut test| {
        test.config.queue_length = 1;
        test.config.queue_timeout_seconds = 0;
        let database = test.open().await;
        let (release, held) = hold_writer(&database).await;
        let mut queued = leave_trace(&database, "queued");
        assert!(futures_util::poll!(&mut queued).is_pending());
        let refused = leave_trace(&database, "refused").await;
        assert!(matches!(refused, Err(DatabaseError::Busy)), "{refused:?}");
        assert!(refused.unwrap_err().is_temporary());
        release.send(()).unwrap();
        held.await.unwrap().unwrap();
        queued.await.unwrap();
        assert_eq!(setting(&database, "refused").await, None);
    })
    .await;
}

#[tokio::test]
async fn closing_finishes_what_is_queued() {
    for_each_database(async |test| {
        let database = test.open().await;
        let (release, held) = hold_writer(&database).await;
        let mut queued = leave_trace(&database, "queued");
        assert!(futures_util::poll!(&mut queued).is_pending());
        let mut closing = Box::pin(database.close());
        assert!(futures_util::poll!(&mut closing).is_pending());
        release.send(()).unwrap();
        held.await.unwrap().unwrap();
        closing.await;
        queued.await.unwrap();
        let refused = leave_trace(&database, "late").await;
        assert!(matches!(refused, Err(DatabaseError::Closed)), "{refused:?}");
        assert!(database.reader().await.is_err());
        let again = test.open().await;
        assert!(setting(&again, "queued").await.is_some());
        assert!(setting(&again, "late").await.is_none());
    })
    .await;
}

#[tokio::test]
async fn readers_see_one_moment_and_never_wait_for_the_writer() {
    for_each_database(async |test| {
        let database = test.open().await;
        let mut early = database.reader().await.unwrap();
        assert_eq!(change_log::head(&mut early).await.unwrap(), Serial(0));
        record(&database, "x").await;
        let writing = database.clone();
        let (release, released) = oneshot::channel();
        let (entered, is_in) = oneshot::channel();
        let held = tokio::spawn(async move {
            let result: Write<()> = write(&writing, move |tx: &mut Transaction| {
                Box::pin(async move {
                    settings::set(tx, "open", "yes").await?;
                    tx.record(event("open"));
                    entered.send(()).unwrap();
                    released.await.unwrap();
                    Ok(())
                })
            })
            .await;
            result
        });
        is_in.await.unwrap();
        // A write transaction is open: the old snapshot stays, a new one sees the last commit.
        assert_eq!(change_log::head(&mut early).await.unwrap(), Serial(0));
        let mut late = database.reader().await.unwrap();
        assert_eq!(change_log::head(&mut late).await.unwrap(), Serial(1));
        assert_eq!(settings::get(&mut late, "open").await.unwrap(), None);
        release.send(()).unwrap();
        held.await.unwrap().unwrap();
        assert_eq!(settings::get(&mut late, "open").await.unwrap(), None);
        drop((early, late));
        assert_eq!(setting(&database, "open").await.as_deref(), Some("yes"));
    })
    .await;
}

#[tokio::test]
async fn readers_beyond_the_limit_wait_for_a_free_one() {
    for_each_database(async |mut test| {
        test.config.max_readers = 1;
        test.config.connect_timeout_seconds = 1;
        let database = test.open().await;
        let mut held = Vec::new();
        // PostgreSQL's pool has a place for the listener as well.
        let limit = match test.kind {
            Kind::Sqlite => 1,
            Kind::Postgres => 2,
        };
        for _ in 0..limit {
            held.push(database.reader().await.unwrap());
        }
        let error = database.reader().await.unwrap_err();
        assert!(error.is_temporary(), "{error:?}");
        held.pop();
        database.reader().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_origin_and_the_time_stand_in_the_log() {
    for_each_database(async |test| {
        let database = test.open().await;
        record(&database, "bob/dev/pkg").await;
        let mut reader = database.reader().await.unwrap();
        let events = change_log::list_after(&mut reader, Serial(0), 10)
            .await
            .unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].actor, origin().actor);
        assert_eq!(events[0].address, origin().address);
        assert_eq!(events[0].recorded_at, crate::support::time(1_700_000_000));
        assert_eq!(events[0].event, event("bob/dev/pkg"));
    })
    .await;
}
