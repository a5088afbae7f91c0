//! All doors as one service. A read that was asked before in the same words is answered here, before a route
//! is looked for; everything else goes on to its door.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::HttpBody;
use axum::http::Request;
use axum::response::Response;
use axum::{BoxError, Router};
use bytes::Bytes;
use tower::Service;

use super::desk::Desk;
use super::exchange;

/// All doors.
#[derive(Clone)]
pub struct Front {
    desk: Arc<Desk>,
    routes: Router,
}

impl Front {
    pub(crate) fn new(desk: Arc<Desk>, routes: Router) -> Front {
        Front { desk, routes }
    }
}

impl<B> Service<Request<B>> for Front
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match exchange::again(&request, &self.desk) {
            Some(response) => Box::pin(ready(Ok(response))),
            None => Box::pin(self.routes.call(request)),
        }
    }
}
