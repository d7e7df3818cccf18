//! A handler that does nothing: what any start of `lambda_http` takes, which the artifact's is
//! compared with.

use lambda_http::{Error, Request, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(async |_: Request| Ok::<_, Error>("nothing"))).await
}
