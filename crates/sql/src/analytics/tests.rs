use super::*;
use crate::tests::{Data, request};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn files(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn count(data: &Data) -> String {
    data.rows("SELECT count() FROM temperatures")
}

#[test]
fn what_another_connection_has_just_written_is_seen() {
    let data = Data::new();
    let writer = data.database();
    writer.pragma_update(None, "journal_mode", "WAL").unwrap();
    for points in 5..8 {
        writer
            .execute(
                "INSERT INTO analytics (dataset, timestamp) VALUES ('temperatures', 0)",
                [],
            )
            .unwrap();
        assert_eq!(count(&data), points.to_string());
    }
}

#[test]
fn no_file_is_made_beside_the_database() {
    let data = Data::new();
    let writer = data.database();
    writer.pragma_update(None, "journal_mode", "WAL").unwrap();
    drop(writer);
    assert_eq!(count(&data), "4");
    assert_eq!(files(data.directory()), ["store.sqlite".to_owned()].into());
    fs::set_permissions(data.directory(), fs::Permissions::from_mode(0o500)).unwrap();
    assert_eq!(count(&data), "4");
    fs::set_permissions(data.directory(), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn without_a_database_there_are_no_data_points_yet() {
    let nowhere = Analytics::in_directory(Path::new("/nowhere/at/all"));
    let ask = |sql| nowhere.query(&request(sql), &Cancel::default());
    assert_eq!(ask("SHOW TABLES").unwrap().rows.len(), 0);
    assert_eq!(ask("SELECT 1").unwrap().rows.len(), 1);
    let error = ask("SELECT 1 FROM clicks").unwrap_err().to_string();
    assert!(
        error.starts_with("there is no table `clicks`: there is no data yet"),
        "{error}"
    );
}

#[test]
fn a_later_layout_is_an_error_that_says_what_to_do() {
    let data = Data::new();
    data.database()
        .pragma_update(None, "user_version", LAYOUTS.end() + 1)
        .unwrap();
    let error = data.rows("SELECT 1");
    assert!(
        error.ends_with("knows up to 2: use the version that wrote it, or a later one"),
        "{error}"
    );
}

#[test]
fn names_of_files_and_datasets_have_any_characters() {
    let data = Data::new();
    let strange = data.directory().join("a?b#c%20d");
    fs::create_dir(&strange).unwrap();
    fs::copy(
        data.directory().join("store.sqlite"),
        strange.join("store.sqlite"),
    )
    .unwrap();
    let database = Connection::open(strange.join("store.sqlite")).unwrap();
    let insert = "INSERT INTO analytics (dataset, timestamp) VALUES (?, 0)";
    database.execute(insert, ["it's; \"quoted\""]).unwrap();
    drop(database);
    let sql = "SELECT count() AS n FROM \"it's; \"\"quoted\"\"\"";
    let answer = Analytics::in_directory(&strange).query(&request(sql), &Cancel::default());
    assert_eq!(answer.unwrap().rows, [[crate::Value::Integer(1)]]);
}

#[test]
fn a_dataset_is_found_by_its_index() {
    let data = Data::new();
    let plan = |sql: &str| {
        let database = data.database();
        let mut statement = database
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let details = statement
            .query_map([], |row| row.get::<_, String>(3))
            .unwrap();
        details.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    };
    let table = table("temperatures");
    let columns: Vec<_> = table
        .columns
        .iter()
        .map(|column| column.expression.as_str())
        .collect();
    let plan = plan(&format!(
        "SELECT {} FROM {}",
        columns.join(", "),
        table.source
    ));
    assert_eq!(
        plan,
        "SEARCH analytics USING INDEX analytics_by_time (dataset=?)"
    );
}

#[test]
fn what_a_killed_process_has_written_is_found() {
    let data = Data::new();
    let writer = data.database();
    writer.pragma_update(None, "journal_mode", "WAL").unwrap();
    let insert = "INSERT INTO analytics (dataset, timestamp) VALUES ('temperatures', 0)";
    writer.execute(insert, []).unwrap();
    let killed = tempfile::tempdir().unwrap();
    for file in ["store.sqlite", "store.sqlite-wal"] {
        fs::copy(data.directory().join(file), killed.path().join(file)).unwrap();
    }
    let sql = "SELECT count() AS n FROM temperatures";
    let answer = Analytics::in_directory(killed.path()).query(&request(sql), &Cancel::default());
    assert_eq!(answer.unwrap().rows, [[crate::Value::Integer(5)]]);
}
