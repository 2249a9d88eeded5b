use taffrail::{Error, TraceItem, post};

#[taffrail::tail]
async fn tail(events: Vec<TraceItem>) -> Result<(), Error> {
    let endpoint = std::env::var("ENDPOINT")?;
    let response = post(&endpoint, &events).await?;
    if !response.status().is_success() {
        eprintln!("{endpoint} answered {}", response.status());
    }
    Ok(())
}
