//! Tokens of users.

use cheeseshop_domain::{User, UserProfile};
use cheeseshop_storage::database::tokens::{self, TokenRow};
use cheeseshop_storage::database::users;
use cheeseshop_storage::{Database, DatabaseError};

use super::user_name;
use crate::support::{digest, for_each_database, time};

async fn user(database: &Database, name: &'static str) -> User {
    write!(database, |tx| {
        users::create(tx, &user_name(name), None, &UserProfile::default(), time(1)).await
    })
}

fn token(id: &str, user: &User) -> TokenRow {
    TokenRow {
        id: id.to_owned(),
        user: user.id,
        secret: digest(7),
        restrictions: vec![
            "allowed=pkg_read".to_owned(),
            "expires=1800000000".to_owned(),
        ],
        created: time(2),
        expires: Some(time(9)),
    }
}

#[tokio::test]
async fn tokens_round_trip_and_are_removed_by_their_user_only() {
    for_each_database(async |test| {
        let database = test.open().await;
        let (bob, eve) = (user(&database, "bob").await, user(&database, "eve").await);
        let lasting = TokenRow {
            restrictions: Vec::new(),
            expires: None,
            ..token("aaaaaaaa", &bob)
        };
        let limited = token("bbbbbbbb", &bob);
        for new in [&limited, &lasting] {
            let new = new.clone();
            write!(&database, |tx| tokens::create(tx, &new).await);
        }
        let mut reader = database.reader().await.unwrap();
        assert_eq!(
            tokens::find(&mut reader, "bbbbbbbb").await.unwrap(),
            Some(limited.clone())
        );
        assert_eq!(tokens::find(&mut reader, "BBBBBBBB").await.unwrap(), None);
        assert_eq!(
            tokens::list_of_user(&mut reader, bob.id).await.unwrap(),
            [lasting, limited]
        );
        assert_eq!(tokens::list_of_user(&mut reader, eve.id).await.unwrap(), []);
        drop(reader);

        let (owner, other) = (bob.id, eve.id);
        assert!(!write!(&database, |tx| {
            tokens::remove(tx, other, "aaaaaaaa").await
        }));
        assert!(write!(&database, |tx| {
            tokens::remove(tx, owner, "aaaaaaaa").await
        }));
        assert!(!write!(&database, |tx| {
            tokens::remove(tx, owner, "aaaaaaaa").await
        }));
    })
    .await;
}

#[tokio::test]
async fn an_id_is_given_once_and_tokens_go_with_their_user() {
    for_each_database(async |test| {
        let database = test.open().await;
        let (bob, eve) = (user(&database, "bob").await, user(&database, "eve").await);
        let first = token("aaaaaaaa", &bob);
        let given = first.clone();
        write!(&database, |tx| tokens::create(tx, &given).await);
        let second = token("aaaaaaaa", &eve);
        let error = write_error!(&database, |tx| tokens::create(tx, &second).await);
        assert!(matches!(error, DatabaseError::AlreadyExists), "{error:?}");

        let owner = bob.id;
        assert!(write!(&database, |tx| users::remove(tx, owner).await));
        let mut reader = database.reader().await.unwrap();
        assert_eq!(tokens::find(&mut reader, "aaaaaaaa").await.unwrap(), None);
        drop(reader);
        let error = write_error!(&database, |tx| tokens::create(tx, &first).await);
        assert!(matches!(error, DatabaseError::Referenced), "{error:?}");
    })
    .await;
}
