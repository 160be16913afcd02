//! The properties that the fuzzers try to break (`tests/fuzz`) hold for their seeds, and for each seed cut short, doubled and
//! with a byte changed.

use system_tests::project;

use crate::fuzz;

#[test]
fn each_property_holds_for_its_seeds_and_what_is_near_them() {
    for (name, check) in fuzz::ALL {
        let folder = project().join("tests/fuzz/seeds").join(name);
        let files: Vec<_> = std::fs::read_dir(&folder).unwrap().flatten().map(|it| it.path()).collect();
        assert!(files.len() >= 3, "{name} has seeds");
        for path in files {
            let seed = std::fs::read(&path).unwrap();
            assert!(seed.len() <= 2_000, "{}: a seed is small", path.display());
            check(&seed);
            check(&[&seed[..], &seed[..]].concat());
            for at in 0..seed.len() {
                let mut changed = seed.clone();
                changed[at] ^= 1 << (at % 8);
                check(&changed);
                check(&seed[..at]);
            }
        }
    }
    let targets = std::fs::read_dir(project().join("tests/fuzz/targets")).unwrap().count();
    assert_eq!(targets, fuzz::ALL.len(), "a target for each property");
}
