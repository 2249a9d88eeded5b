//! Properties of Unicode in regular expressions, for which the engine has no
//! tables of its own.

use taffrail_tests::folder::Folder;
use taffrail_tests::scenario::Scenario;

/// Expressions, and what each is as a string.
const CASES: &[(&str, &str)] = &[
    (r#"/\p{L}+/u.exec("12é3")[0]"#, "é"),
    (r"/\p{L}+/giu", r"/\p{L}+/giu"),
    (r#"new RegExp("\\p{L}/", "u").source"#, r"\p{L}\/"),
    (
        r#"[/^\P{Lu}$/u.test("a"), /^\P{Lu}$/u.test("A"), /^\P{Lu}$/iu.test("A")]"#,
        "true,false,true",
    ),
    (r#""aÄ-1_".replace(/[\p{Ll}\d-]/gu, "x")"#, "xÄxx_"),
    (r#""aÄ-1_".replace(/[^\p{L}_]/gu, "x")"#, "aÄxx_"),
    (r#""aÄ-1_".replace(/[\P{L}]/gu, "x")"#, "aÄxxx"),
    (r#""a-b_1".replace(/[\p{L}-]/gu, "x")"#, "xxx_1"),
    (
        r#"[/^\p{Script=Greek}+$/u.test("αβγ"), /^\p{sc=Cyrl}$/u.test("α")]"#,
        "true,false",
    ),
    (r#"/^\p{Script_Extensions=Deva}$/u.test("\u0951")"#, "true"),
    (
        r#"/^\p{General_Category=Uppercase_Letter}\p{gc=Lu}\p{Uppercase_Letter}\p{Lu}$/u.test("ABCD")"#,
        "true",
    ),
    (
        r#"/^\p{Emoji}\p{Alphabetic}\p{Alpha}\p{ASCII}\p{Any}\p{White_Space}$/u.test("😀aba😀 ")"#,
        "true",
    ),
    (
        r#"[/^\p{RGI_Emoji}$/v.test("👨‍👩‍👧"), /^\p{RGI_Emoji_Flag_Sequence}$/v.test("🇩🇪")]"#,
        "true,true",
    ),
    (
        r#""aeiouxyz".replace(/[\p{L}--[aeiou]]/gv, "_")"#,
        "aeiou___",
    ),
    (
        r#""aαβ1".replace(/[\p{L}&&\p{Script=Greek}]/gv, "_")"#,
        "a__1",
    ),
    (r#""a-1".replace(/[^\p{L}[0-9]]/gv, "_")"#, "a_1"),
    (
        r#""12 abé".replace(/(?<n>\d+) (?<l>\p{L}+)/u, "$<l> $<n>")"#,
        "abé 12",
    ),
    (r#""aé1".replace(/(?<=\p{L})\d/u, "x")"#, "aéx"),
    (
        r#"[...new Sub("\\p{L}", "gu")[Symbol.matchAll]("aé1b")].map((match) => match.index)"#,
        "0,1,3",
    ),
    (
        r#"[new Sub("\\p{L}", "u") instanceof Sub, new Sub(/\p{L}/u).own, Sub[Symbol.species] === Sub]"#,
        "true,1,true",
    ),
    (r#""a1é2b".split(/\P{L}/u)"#, "a,é,b"),
    (r#""12é".search(/\p{L}/u)"#, "2"),
    (r#"/(\p{L})/du.exec("1é").indices[1]"#, "1,2"),
    (
        r#"[new RegExp(/\p{L}/u, "gu"), new RegExp(/\p{L}/u), RegExp(letters) === letters]"#,
        r"/\p{L}/gu,/\p{L}/u,true",
    ),
    (
        r"letters.constructor === RegExp && letters instanceof RegExp",
        "true",
    ),
    (
        r#"[new RegExp("\\p{2}").test("pp"), /\\p{1}/u.test("\\p"), /[\\p{}]+/u.exec("\\p{}")]"#,
        r"true,true,\p{}",
    ),
    (
        r#"(() => { const r = /x/; r.compile("\\p{L}", "u"); return [r.test("é"), r.source]; })()"#,
        r"true,\p{L}",
    ),
];

/// Patterns and flags that are errors.
const WRONG: [(&str, &str); 6] = [
    (r"\p{Nope}", "u"),
    (r"\p{Script=Nope}", "v"),
    (r"\p{constructor}", "u"),
    (r"\p{L", "u"),
    (r"\p{RGI_Emoji}", "u"),
    (r"\P{RGI_Emoji}", "v"),
];

async fn told(script: &str) -> String {
    let folder = Folder::new();
    folder.script("w", script, "");
    let scenario = Scenario::of(&folder, &["w"]).await;
    let answer = scenario.get("w", "/").await;
    assert_eq!(answer.status, Some(200), "{:?}", scenario.json());
    answer.text()
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_are_known_wherever_a_pattern_has_them() {
    let values: String = CASES
        .iter()
        .map(|(value, _)| format!("  () => {value},\n"))
        .collect();
    let wrong = serde_json::to_string(&WRONG).unwrap();
    let script = format!(
        "const letters = /\\p{{L}}/u;
class Sub extends RegExp {{ get own() {{ return 1; }} }}
const VALUES = [
{values}];
const tried = ([pattern, flags]) => {{ try {{ return String(new RegExp(pattern, flags)); }} catch (error) {{ return error.name; }} }};
export default {{ fetch() {{ return Response.json([...VALUES.map((value) => String(value())), ...{wrong}.map(tried)]); }} }};"
    );
    let seen: Vec<String> = serde_json::from_str(&told(&script).await).unwrap();
    let errors = WRONG.iter().map(|(pattern, _)| (*pattern, "SyntaxError"));
    let expected: Vec<_> = CASES.iter().copied().chain(errors).collect();
    assert_eq!(seen.len(), expected.len());
    for (seen, (value, expected)) in seen.iter().zip(expected) {
        assert_eq!(seen, expected, "{value}");
    }
}

/// What a Worker makes of built-ins does not reach the tables.
#[tokio::test(flavor = "multi_thread")]
async fn properties_are_known_whatever_becomes_of_built_ins() {
    let script = "
export default { fetch() {
  String.prototype.slice = String.prototype.indexOf = Map.prototype.get = () => { throw new Error('mine'); };
  Object.prototype.Nope = 'Letter';
  const { RegExp } = globalThis;
  let wrong; try { new RegExp('\\\\p{Nope}', 'u'); } catch (error) { wrong = error.name; }
  return new Response(`${new RegExp('\\\\p{Lu}', 'u').test('É')} ${wrong}`);
} };";
    assert_eq!(told(script).await, "true SyntaxError");
}
