//! The hash chain notices every kind of tampering.

use cheeseshop_domain::Serial;
use cheeseshop_storage::database::change_log::{self, BreakReason};

use crate::support::{Kind, TestDatabase, event, for_each_database, record, write};

/// Records `count` events, tampers, and tells what verification says.
async fn check(sqlite: &str, postgres: &str, expected: (i64, BreakReason)) {
    for_each_database(async |test| {
        let database = test.open().await;
        for number in 1..=5 {
            record(&database, &format!("bob/dev/p{number}")).await;
        }
        let report = change_log::verify(&database).await.unwrap();
        assert_eq!((report.broken, report.verified), (None, 5));
        test.tamper(sqlite, postgres).await;
        let report = change_log::verify(&database).await.unwrap();
        let broken = report.broken.unwrap();
        assert_eq!((broken.serial.0, broken.reason), expected, "{sqlite}");
        assert_eq!(report.verified, (expected.0 - 1).unsigned_abs().min(5));
    })
    .await;
}

async fn check_same(sql: &str, serial: i64, reason: BreakReason) {
    check(sql, sql, (serial, reason)).await;
}

#[tokio::test]
async fn edited_fields_are_found() {
    for change in [
        "actor = 'eve'",
        "address = NULL",
        "address = '192.0.2.8'",
        "recorded_at = recorded_at + 1",
        "kind = 'file_removed'",
        "subject = 'bob/dev/other'",
        "detail = '{}'",
    ] {
        let sql = format!("UPDATE change_log SET {change} WHERE serial = 3");
        check_same(&sql, 3, BreakReason::Edited).await;
    }
}

#[tokio::test]
async fn edited_hashes_are_found() {
    check_same(
        "UPDATE change_log SET hash = previous_hash WHERE serial = 3",
        3,
        BreakReason::Edited,
    )
    .await;
    check_same(
        "UPDATE change_log SET previous_hash = hash WHERE serial = 3",
        3,
        BreakReason::Edited,
    )
    .await;
    check(
        "UPDATE change_log SET hash = x'00' WHERE serial = 5",
        "UPDATE change_log SET hash = '\\x00' WHERE serial = 5",
        (5, BreakReason::Edited),
    )
    .await;
}

/// SQLite keeps anything in any column.
#[tokio::test]
async fn values_of_another_type_are_found() {
    let test = TestDatabase::new(Kind::Sqlite).await;
    let database = test.open().await;
    record(&database, "x").await;
    record(&database, "y").await;
    test.tamper_same("UPDATE change_log SET subject = x'ff' WHERE serial = 2")
        .await;
    let broken = change_log::verify(&database).await.unwrap().broken.unwrap();
    assert_eq!(
        (broken.serial, broken.reason),
        (Serial(2), BreakReason::Edited)
    );
}

#[tokio::test]
async fn a_removed_row_is_found() {
    check_same(
        "DELETE FROM change_log WHERE serial = 3",
        3,
        BreakReason::Missing,
    )
    .await;
    check_same(
        "DELETE FROM change_log WHERE serial = 1",
        1,
        BreakReason::Missing,
    )
    .await;
}

#[tokio::test]
async fn a_removed_row_is_found_when_the_rest_moves_up() {
    check_same(
        "DELETE FROM change_log WHERE serial = 3; \
         UPDATE change_log SET serial = 3 WHERE serial = 4; \
         UPDATE change_log SET serial = 4 WHERE serial = 5; \
         UPDATE change_log_head SET serial = 4",
        3,
        BreakReason::Edited,
    )
    .await;
}

#[tokio::test]
async fn swapped_rows_are_found() {
    check_same(
        "UPDATE change_log SET serial = -1 WHERE serial = 2; \
         UPDATE change_log SET serial = 2 WHERE serial = 3; \
         UPDATE change_log SET serial = 3 WHERE serial = -1",
        2,
        BreakReason::Edited,
    )
    .await;
}

#[tokio::test]
async fn a_cut_off_end_is_found() {
    check_same(
        "DELETE FROM change_log WHERE serial >= 4",
        4,
        BreakReason::Truncated,
    )
    .await;
    check_same("DELETE FROM change_log", 1, BreakReason::Truncated).await;
}

#[tokio::test]
async fn a_turned_back_head_is_found() {
    check_same(
        "UPDATE change_log_head SET serial = 4, \
         hash = (SELECT hash FROM change_log WHERE serial = 4)",
        5,
        BreakReason::BeyondHead,
    )
    .await;
}

#[tokio::test]
async fn a_head_with_another_hash_is_found() {
    for_each_database(async |test| {
        let database = test.open().await;
        record(&database, "x").await;
        record(&database, "y").await;
        test.tamper_same("UPDATE change_log_head SET hash = (SELECT previous_hash FROM change_log WHERE serial = 2)")
            .await;
        let broken = change_log::verify(&database).await.unwrap().broken.unwrap();
        assert_eq!((broken.serial, broken.reason), (Serial(2), BreakReason::HeadMismatch));
    })
    .await;
}

/// A row whose own hash is right, but which was taken from another log.
#[tokio::test]
async fn a_transplanted_row_is_found() {
    for_each_database(async |test| {
        let donor = TestDatabase::new(test.kind).await;
        let log = donor.open().await;
        record(&log, "other 1").await;
        record(&log, "other 2").await;
        let mut reader = log.reader().await.unwrap();
        let foreign = change_log::list_after(&mut reader, Serial(1), 1)
            .await
            .unwrap();
        let foreign = &foreign[0];

        let database = test.open().await;
        record(&database, "own 1").await;
        record(&database, "own 2").await;
        let statement = |hash: String, previous: String| {
            format!(
                "UPDATE change_log SET subject = '{}', hash = {hash}, previous_hash = {previous} \
                 WHERE serial = 2",
                foreign.event.subject
            )
        };
        test.tamper(
            &statement(
                format!("x'{}'", foreign.hash),
                format!("x'{}'", foreign.previous_hash),
            ),
            &statement(
                format!("'\\x{}'", foreign.hash),
                format!("'\\x{}'", foreign.previous_hash),
            ),
        )
        .await;
        let broken = change_log::verify(&database).await.unwrap().broken.unwrap();
        assert_eq!(
            (broken.serial, broken.reason),
            (Serial(2), BreakReason::Unchained)
        );
    })
    .await;
}

#[tokio::test]
async fn an_empty_log_is_in_order() {
    for_each_database(async |test| {
        let database = test.open().await;
        let report = change_log::verify(&database).await.unwrap();
        assert_eq!(
            (report.verified, report.head, report.broken),
            (0, Serial(0), None)
        );
    })
    .await;
}

#[tokio::test]
async fn a_long_log_is_verified_and_read_in_portions() {
    for_each_database(async |test| {
        let database = test.open().await;
        for _ in 0..3 {
            write(&database, |tx| {
                Box::pin(async move {
                    for number in 0..1_234 {
                        tx.record(event(&format!("bob/dev/p{number}")));
                    }
                    Ok(())
                })
            })
            .await
            .unwrap();
        }
        let report = change_log::verify(&database).await.unwrap();
        assert_eq!((report.verified, report.broken), (3_702, None));
        let mut reader = database.reader().await.unwrap();
        let mut after = Serial(0);
        let mut read = Vec::new();
        loop {
            let events = change_log::list_after(&mut reader, after, 1_000)
                .await
                .unwrap();
            let Some(last) = events.last() else { break };
            after = last.serial;
            read.extend(events.iter().map(|event| event.serial.0));
        }
        assert_eq!(read, (1..=3_702).collect::<Vec<_>>());
    })
    .await;
}
