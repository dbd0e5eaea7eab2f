//! Order and whitelists.

use cheeseshop_domain::{
    IndexId, Inheritance, Whitelist,
    resolution::{Contribution, Decision, Step, StepKind, contributors},
};
use serde_json::{Value, json};

use crate::support::{directory, id_of, names};

/// The order of the first index, as names. An index is written `name: base base`, a mirror `name!`.
fn order(indexes: &[&str]) -> Vec<String> {
    let parsed: Vec<(String, Value)> = indexes
        .iter()
        .map(|text| {
            let (name, bases) = text.split_once(':').unwrap_or((text, ""));
            let full = |name: &str| format!("u/{}", name.trim_end_matches('!'));
            if name.ends_with('!') {
                return (full(name), json!({"type": "mirror"}));
            }
            let bases: Vec<_> = bases.split_whitespace().map(full).collect();
            (full(name), json!({"bases": bases}))
        })
        .collect();
    let parsed: Vec<_> = parsed
        .iter()
        .map(|(name, body)| (name.as_str(), body.clone()))
        .collect();
    let directory = directory(&parsed);
    let start = id_of(&directory, parsed[0].0);
    names(&directory, directory.order(start))
        .iter()
        .map(|name| name.trim_start_matches("u/").to_owned())
        .collect()
}

#[test]
fn the_order_is_breadth_first_with_mirrors_last() {
    let cases: [(&[&str], &[&str]); 14] = [
        (&["s"], &["s"]),
        (&["m!"], &["m"]),
        (&["s: a b", "a", "b"], &["s", "a", "b"]),
        (&["s: b a", "a", "b"], &["s", "b", "a"]),
        // Breadth before depth.
        (
            &["s: a b", "a: c", "b: d", "c", "d"],
            &["s", "a", "b", "c", "d"],
        ),
        // Mirrors last, in the order met, wherever they are named.
        (&["s: m a", "a: n", "m!", "n!"], &["s", "a", "m", "n"]),
        (
            &["s: a m", "a: n b", "b: m", "m!", "n!"],
            &["s", "a", "b", "m", "n"],
        ),
        // Every index once.
        (&["s: a b a", "a: c", "b: c", "c"], &["s", "a", "b", "c"]),
        // Cycles and references to itself.
        (&["s: s"], &["s"]),
        (&["s: a", "a: s"], &["s", "a"]),
        (&["s: a", "a: b", "b: a s m", "m!"], &["s", "a", "b", "m"]),
        // Bases that do not exist.
        (&["s: gone a", "a: lost"], &["s", "a"]),
        (&["s: gone"], &["s"]),
        // The team layout.
        (
            &[
                "dev: staging",
                "staging: stable",
                "stable: local third m",
                "local",
                "third",
                "m!",
            ],
            &["dev", "staging", "stable", "local", "third", "m"],
        ),
    ];
    for (indexes, expected) in cases {
        assert_eq!(order(indexes), expected, "{indexes:?}");
    }
}

#[test]
fn a_deep_chain_of_bases_is_no_trouble() {
    let chain: Vec<_> = (0..3000)
        .map(|n| {
            (
                format!("u/i{n}"),
                json!({"bases": [format!("u/i{}", n + 1)]}),
            )
        })
        .collect();
    let chain: Vec<_> = chain
        .iter()
        .map(|(name, body)| (name.as_str(), body.clone()))
        .collect();
    let directory = directory(&chain);
    assert_eq!(directory.order(id_of(&directory, "u/i0")).len(), 3000);
    assert_eq!(directory.order(id_of(&directory, "u/i2990")).len(), 10);
}

/// What the way to a mirror looks like from the project `p`. Each word is one index in order: `-` holds
/// nothing, `P` holds the project, `M` is a mirror; `*` or `w` behind it: its whitelist holds `*` or the
/// project, `o`: some other project. The answer has one letter per index: `+` contributes, `.` has no such
/// project, and for a mirror that must not be asked the number of the index that keeps it out.
fn contribution(inheritance: Inheritance, way: &str) -> String {
    let words: Vec<_> = way.split_whitespace().collect();
    let whitelists: Vec<_> = words
        .iter()
        .map(|word| {
            let entries = word.chars().skip(1).map(|letter| match letter {
                '*' => "*",
                'w' => "P",
                _ => "other",
            });
            Whitelist::new(entries)
        })
        .collect();
    let steps: Vec<_> = (0..)
        .zip(words.iter().zip(&whitelists))
        .map(|(id, (word, whitelist))| Step {
            index: IndexId(id),
            kind: if word.starts_with('M') {
                StepKind::Mirror
            } else {
                StepKind::Hosted {
                    whitelist,
                    has_project: word.starts_with('P'),
                }
            },
        })
        .collect();
    let decisions = contributors(inheritance, "p", &steps);
    let indexes: Vec<_> = decisions.iter().map(|decision| decision.index).collect();
    assert_eq!(
        indexes,
        steps.iter().map(|step| step.index).collect::<Vec<_>>()
    );
    let letter = |decision: &Decision| match decision.verdict {
        Contribution::Contributes => "+".to_owned(),
        Contribution::HasNoProject => ".".to_owned(),
        Contribution::BlockedByPrivate { by } => by.to_string(),
    };
    decisions.iter().map(letter).collect::<Vec<_>>().concat()
}

#[test]
fn a_private_project_blocks_the_mirrors_unless_whitelisted() {
    // The way, then what comes of it with the intersection and with the union.
    for (way, intersection, union) in [
        // Nobody holds it: mirrors are asked.
        ("M", "+", "+"),
        ("- M", ".+", ".+"),
        ("- - M M", "..++", "..++"),
        // Somebody holds it.
        ("P M", "+0", "+0"),
        ("- P M", ".+1", ".+1"),
        ("P P M M", "++00", "++00"),
        ("P - M", "+.0", "+.0"),
        // The queried index whitelists it: nothing later undoes that.
        ("P* M", "++", "++"),
        ("Pw M", "++", "++"),
        ("-w P M", ".++", ".++"),
        ("-* P P M", ".+++", ".+++"),
        ("-w Po M", ".++", ".++"),
        // Others do not count.
        ("Po M", "+0", "+0"),
        ("-o P M", ".+1", ".+1"),
        // A base whitelists it: only the union heeds it, wherever on the way.
        ("- P* M", ".+1", ".++"),
        ("- Pw M", ".+1", ".++"),
        ("P -* M", "+.0", "+.+"),
        ("P - -w M", "+..0", "+..+"),
        ("-o Pw M", ".+1", ".++"),
        // `*` and a name are different entries when lists are intersected, but the own list has decided.
        ("-* Pw P M", ".+++", ".+++"),
        ("-w P* P M", ".+++", ".+++"),
        ("P -w -* M", "+..0", "+..+"),
    ] {
        assert_eq!(
            contribution(Inheritance::Intersection, way),
            intersection,
            "{way}"
        );
        assert_eq!(contribution(Inheritance::Union, way), union, "union: {way}");
    }
}

#[test]
fn nothing_on_the_way_gives_no_decisions() {
    assert!(contributors(Inheritance::Union, "p", &[]).is_empty());
}
