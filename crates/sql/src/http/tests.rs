use super::*;
use crate::Limits;
use crate::queries::WAITING;
use crate::tests::{Data, request};
use std::time::Duration;

/// How many queries run at a time.
const RUNNING: usize = 2;

fn queries(data: &Data, limits: Limits) -> Queries {
    let analytics = data.analytics();
    Queries::new(RUNNING, limits, move |request, cancel| {
        analytics.query(request, cancel)
    })
}

fn endpoint(data: &Data) -> Queries {
    queries(data, Limits::default())
}

#[tokio::test]
async fn a_query_is_answered_as_by_cloudflare() {
    let (data, now) = (Data::new(), request("").now);
    for (sql, status, content_type, body) in [
        (
            "SELECT blob1 AS city, max(double1) as max_temp, count() AS n FROM temperatures WHERE timestamp > NOW() - INTERVAL '1' DAY GROUP BY city ORDER BY city LIMIT 1",
            200,
            "application/json",
            "{\"meta\":[{\"name\":\"city\",\"type\":\"String\"},{\"name\":\"max_temp\",\"type\":\"Float64\"},{\"name\":\"n\",\"type\":\"UInt64\"}],\"data\":[{\"city\":\"Yard\",\"max_temp\":0,\"n\":\"1\"}],\"rows\":1}\n",
        ),
        (
            "SHOW TABLES FORMAT JSONEachRow",
            200,
            "application/x-ndjson",
            "{\"dataset\":\"example-dataset\",\"type\":\"dataset\"}\n{\"dataset\":\"temperatures\",\"type\":\"dataset\"}\n",
        ),
        (
            "SELECT 1, 'a\tb' FORMAT TabSeparated",
            200,
            "text/tab-separated-values; charset=utf-8",
            "1\ta\\tb\n",
        ),
        (
            "SELECT colour FROM temperatures",
            422,
            "text/plain; charset=utf-8",
            "Input was invalid: there is no column `colour` (line 1, column 8)\nSELECT colour FROM temperatures\n       ^\n",
        ),
    ] {
        let response = endpoint(&data).answer_analytics(sql.to_owned(), now).await;
        let Response {
            status: found,
            content_type: found_type,
            body: found_body,
        } = response;
        assert_eq!(
            (found, found_type, &*found_body),
            (status, content_type, body),
            "{sql}"
        );
    }
}

/// A query over enough points that it does not end by itself in time.
const LONG: &str = "SELECT count() FROM temperatures WHERE format('{}{}{}{}', blob1, blob2, blob3, blob4) LIKE '%a%b%c%'";

fn large() -> Data {
    let data = Data::new();
    let points = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 200000)
        INSERT INTO analytics (dataset, timestamp, blob1) SELECT 'temperatures', x, 'abcdefgh' FROM n";
    data.database().execute_batch(points).unwrap();
    data
}

#[tokio::test]
async fn queries_end_when_their_clients_leave() {
    let (data, now) = (large(), request("").now);
    let endpoint = endpoint(&data);
    for _ in 0..RUNNING {
        let mut answer = Box::pin(endpoint.answer_analytics(LONG.to_owned(), now));
        let begun = tokio::time::timeout(Duration::from_millis(1), &mut answer).await;
        assert!(begun.is_err(), "the query should take longer");
    }
    // Both places are free again, long before the queries would have ended.
    let places = endpoint.running.acquire_many(RUNNING as u32).await.unwrap();
    drop(places);
    let response = endpoint.answer_analytics("SELECT 1".to_owned(), now).await;
    assert_eq!(response.status, 200);
}

#[tokio::test]
async fn a_query_that_is_one_too_many_is_told_to_come_again() {
    let (data, now) = (Data::new(), request("").now);
    let endpoint = endpoint(&data);
    let all = endpoint
        .accepted
        .acquire_many((RUNNING + WAITING) as u32)
        .await
        .unwrap();
    assert_eq!(
        endpoint
            .answer_analytics("SELECT 1".to_owned(), now)
            .await
            .status,
        429
    );
    drop(all);
    assert_eq!(
        endpoint
            .answer_analytics("SELECT 1".to_owned(), now)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn limits_have_their_status() {
    let (data, now) = (large(), request("").now);
    let limits = Limits {
        time: Duration::from_millis(1),
        ..Limits::default()
    };
    let response = queries(&data, limits)
        .answer_analytics(LONG.to_owned(), now)
        .await;
    assert_eq!(response.status, 507);
    assert!(
        response
            .body
            .starts_with("the query took longer than 0.001 s"),
        "{}",
        response.body
    );
}

#[tokio::test]
async fn the_sql_api_takes_parameters_and_has_numbers_in_its_results() {
    let (data, now) = (Data::new(), request("").now);
    let counted = "SELECT count() AS n, max(double1) AS most FROM temperatures WHERE blob1 = ";
    for (body, status, answer) in [
        (
            format!("{counted}'Yard'"),
            200,
            "{\"data\":[{\"n\":1,\"most\":0}],\"rows\":1,\"statistics\":{\"elapsed_ms\":",
        ),
        (
            format!("{{\"query\": \"{counted}$1\", \"params\": [\"Yard\"], \"scope\": {{}}}}"),
            200,
            "{\"data\":[{\"n\":1,\"most\":0}],\"rows\":1,",
        ),
        (
            format!("{{\"query\": \"{counted}$city\", \"params\": {{\"city\": \"Moon\"}}}}"),
            200,
            "{\"data\":[{\"n\":0,\"most\":",
        ),
        ("{\"query\": 1}".to_owned(), 400, "Input was invalid: "),
        (
            "{\"query\": \"SELECT 1\", \"time_range\": {}}".to_owned(),
            400,
            "Input was invalid: unknown field `time_range`",
        ),
        ("DROP TABLE x".to_owned(), 422, "Input was invalid: "),
    ] {
        let response = endpoint(&data).answer_sql(body.clone(), now).await;
        assert_eq!(response.status, status, "{body}: {}", response.body);
        assert!(
            response.body.starts_with(answer),
            "{body}: {}",
            response.body
        );
    }
}

#[tokio::test]
async fn many_rows_with_long_names_are_over_a_limit() {
    let data = large();
    let sql = format!("SELECT 1 AS \"{}\" FROM temperatures", "n".repeat(1000));
    let response = endpoint(&data).answer_sql(sql, request("").now).await;
    assert_eq!(response.status, 507, "{}", response.body.len());
    assert_eq!(
        response.body,
        "the answer has more than 67108864 bytes: add LIMIT\n"
    );
}
