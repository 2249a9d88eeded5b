use crate::analytics::*;
use crate::tests::in_memory;

fn point(blobs: usize, doubles: usize, indexes: usize) -> DataPoint {
    DataPoint {
        blobs: vec![Some("blob".to_owned()); blobs],
        doubles: vec![1.0; doubles],
        indexes: vec![None; indexes],
    }
}

#[tokio::test]
async fn data_points_of_all_shapes_are_kept() {
    let storage = in_memory();
    for blobs in [0, 1, 20] {
        let point = point(blobs, 20 - blobs, 1);
        let written = storage.write_data_point("set".to_owned(), 1, point);
        written.await.unwrap();
    }
    let sums = storage.read(|database| {
        database.query_row(
            "SELECT count(blob1), count(blob20), count(double20), sum(double1) FROM analytics",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
    });
    let sums: (i64, i64, i64, f64) = sums.await.unwrap();
    assert_eq!(sums, (2, 1, 1, 2.0));
}

#[tokio::test]
async fn limits_are_those_of_cloudflare() {
    let storage = in_memory();
    let text = |bytes| vec![Some("t".repeat(bytes))];
    let blobs = |bytes| DataPoint {
        blobs: text(bytes),
        ..DataPoint::default()
    };
    let index = |bytes| DataPoint {
        indexes: text(bytes),
        ..DataPoint::default()
    };
    let table = [
        (point(20, 20, 1), true),
        (point(21, 0, 0), false),
        (point(0, 21, 0), false),
        (point(0, 0, 2), false),
        (blobs(16 << 10), true),
        (blobs((16 << 10) + 1), false),
        (index(96), true),
        (index(97), false),
    ];
    for (number, (point, is_kept)) in table.into_iter().enumerate() {
        let written = storage.write_data_point("set".to_owned(), 0, point).await;
        assert_eq!(written.is_ok(), is_kept, "{number}: {written:?}");
    }
}
