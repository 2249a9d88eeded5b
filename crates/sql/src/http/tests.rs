use super::*;
use crate::tests::{Data, request};
use std::time::Duration;

fn endpoint(data: &Data) -> Endpoint {
    Endpoint::new(data.analytics(), Limits::default())
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
        let response = endpoint(&data).answer(sql.to_owned(), now).await;
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
        let mut answer = Box::pin(endpoint.answer(LONG.to_owned(), now));
        let begun = tokio::time::timeout(Duration::from_millis(1), &mut answer).await;
        assert!(begun.is_err(), "the query should take longer");
    }
    // Both places are free again, long before the queries would have ended.
    let places = endpoint.running.acquire_many(RUNNING as u32).await.unwrap();
    drop(places);
    let response = endpoint.answer("SELECT 1".to_owned(), now).await;
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
        endpoint.answer("SELECT 1".to_owned(), now).await.status,
        429
    );
    drop(all);
    assert_eq!(
        endpoint.answer("SELECT 1".to_owned(), now).await.status,
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
    let response = Endpoint::new(data.analytics(), limits)
        .answer(LONG.to_owned(), now)
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
