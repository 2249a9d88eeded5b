//! The documentation: each example in it does what the page says.

use std::fs;
use taffrail_tests::guests::root;
use taffrail_tests::pages;

/// A test for each page.
macro_rules! pages {
    ($($test:ident: $page:literal)*) => {
        const PAGES: &[&str] = &[$($page),*];

        $(
            #[test]
            fn $test() {
                pages::check($page);
            }
        )*
    };
}

pages! {
    readme: "README.md"
    configuration: "docs/configuration.md"
    tails: "docs/tails.md"
    limits: "docs/limits.md"
    javascript: "docs/javascript.md"
    bindings: "docs/bindings.md"
    languages: "docs/languages.md"
    security: "docs/security.md"
}

/// The page whose examples are documentation tests of this package.
const DOCTESTS: &str = "docs/embedding.md";

#[test]
fn every_page_has_a_test() {
    let pages = fs::read_dir(root().join("docs")).unwrap().map(|page| {
        let name = page.unwrap().file_name();
        format!("docs/{}", name.to_str().unwrap())
    });
    let missing = pages.filter(|page| !PAGES.contains(&&**page));
    assert_eq!(missing.collect::<Vec<_>>(), [DOCTESTS]);
}
