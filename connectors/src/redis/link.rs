//! The way to one server or to a cluster: many commands at once, each answer within its time.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{self, BoxFuture, FutureExt as _, MaybeDone};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{AsyncConnectionConfig, Cmd, Pipeline, ServerErrorKind, Value};

use super::error::RedisFault;
use super::scripts::Scripts;
use super::settings::RedisSettings;

/// Commands that are sent together, and the bytes of them: while a server works on one window the next is put together,
/// and one window is sent again where it has forgotten a script.
pub(crate) const WINDOW: usize = 128;
pub(crate) const WINDOW_BYTES: usize = 4 << 20;

/// Answers of commands that are on their way.
pub(crate) type Started = Pin<Box<MaybeDone<BoxFuture<'static, Result<Vec<Value>, RedisFault>>>>>;

/// Connections of one user of a server or a cluster.
#[derive(Clone)]
pub(crate) struct Link {
    to: To,
    scripts: Arc<Scripts>,
}

#[derive(Clone)]
enum To {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Link {
    /// Connects. An answer may take `longer` than the settings say: who waits for news waits on purpose.
    pub(crate) async fn open(
        settings: &RedisSettings,
        longer: Duration,
    ) -> Result<Link, RedisFault> {
        let fault = RedisFault::while_doing("connecting");
        let (connect, answer) = (settings.timeout(), settings.timeout() + longer);
        let to = match settings.urls.as_slice() {
            [only] => {
                let client = settings.client(only)?;
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(connect))
                    .set_response_timeout(Some(answer));
                let connection = client.get_multiplexed_async_connection_with_config(&config);
                To::One(connection.await.map_err(&fault)?)
            }
            several => {
                let mut builder = ClusterClientBuilder::new(several.iter().map(String::as_str));
                if let Some(certificates) = settings.certificates()? {
                    builder = builder.certs(certificates);
                }
                let client = builder
                    .connection_timeout(connect)
                    .response_timeout(answer)
                    .overall_response_timeout(Some(2 * answer))
                    .build()
                    .map_err(&fault)?;
                To::Cluster(client.get_async_connection().await.map_err(&fault)?)
            }
        };
        Ok(Link { to, scripts: Arc::new(Scripts::new()) })
    }

    pub(crate) fn scripts(&self) -> &Scripts {
        &self.scripts
    }

    /// The answer to a command.
    pub(crate) async fn ask(
        &mut self,
        doing: &'static str,
        command: Cmd,
    ) -> Result<Value, RedisFault> {
        let answers = self.all(doing, vec![command]).await?;
        Ok(answers.into_iter().next().unwrap_or(Value::Nil))
    }

    /// The answers to commands, to be waited for later.
    pub(crate) fn start(&self, doing: &'static str, commands: Vec<Cmd>) -> Started {
        let mut link = self.clone();
        Box::pin(future::maybe_done(async move { link.all(doing, commands).await }.boxed()))
    }

    /// The answers to commands, in their order; a refusal of one is the fault of all.
    pub(crate) async fn all(
        &mut self,
        doing: &'static str,
        commands: Vec<Cmd>,
    ) -> Result<Vec<Value>, RedisFault> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command(command);
        }
        let mut answers = self.answers(&pipeline).await.map_err(RedisFault::while_doing(doing))?;
        if answers.iter().any(is_forgotten) {
            // All scripts may be called again.
            self.teach().await?;
            answers = self.answers(&pipeline).await.map_err(RedisFault::while_doing(doing))?;
        }
        for answer in &answers {
            if let Value::ServerError(problem) = answer {
                let is_cluster = problem.kind() == Some(ServerErrorKind::Moved);
                let hint = if is_cluster { "; several addresses name a cluster" } else { "" };
                let details = problem.details().unwrap_or("");
                let problem = format!("{} {details}{hint}", problem.code());
                return Err(RedisFault::Unreachable { doing, problem: problem.trim().to_owned() });
            }
        }
        Ok(answers)
    }

    /// The answers of all servers that take writes.
    pub(crate) async fn each_server(
        &mut self,
        doing: &'static str,
        command: Cmd,
    ) -> Result<Vec<(String, Value)>, RedisFault> {
        let fault = RedisFault::while_doing(doing);
        match &mut self.to {
            To::One(connection) => {
                let answer = connection.send_packed_command(&command).await.map_err(fault)?;
                Ok(vec![(String::new(), answer)])
            }
            To::Cluster(connection) => {
                let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                let answers = connection.route_command(command, all).await.map_err(fault)?;
                let Value::Map(answers) = answers else { return Ok(Vec::new()) };
                let named = |(server, answer)| (text(&server).unwrap_or_default(), answer);
                Ok(answers.into_iter().map(named).collect())
            }
        }
    }

    /// What tells servers apart from those that were there before a restart.
    pub(crate) async fn runs(&mut self) -> Result<Vec<String>, RedisFault> {
        let mut info = redis::cmd("INFO");
        info.arg("server");
        let answers = self.each_server("asking which servers there are", info).await?;
        let run = |(_, answer): (String, Value)| {
            let info = text(&answer)?;
            info.lines().find_map(|line| Some(line.strip_prefix("run_id:")?.trim().to_owned()))
        };
        let mut runs: Vec<String> = answers.into_iter().filter_map(run).collect();
        runs.sort_unstable();
        Ok(runs)
    }

    /// Makes all servers know the scripts.
    pub(crate) async fn teach(&mut self) -> Result<(), RedisFault> {
        let codes = self.scripts.each().map(|script| script.code);
        for code in codes {
            let mut load = redis::cmd("SCRIPT");
            load.arg("LOAD").arg(code);
            self.each_server("loading a script", load).await?;
        }
        Ok(())
    }

    async fn answers(&mut self, pipeline: &Pipeline) -> redis::RedisResult<Vec<Value>> {
        match &mut self.to {
            To::One(connection) => {
                connection.send_packed_commands(pipeline, 0, pipeline.len()).await
            }
            // Each goes to the server that has its key; they are under way together.
            To::Cluster(connection) => {
                let each = pipeline.cmd_iter().map(|command| {
                    let mut connection = connection.clone();
                    async move { connection.req_packed_command(command).await }
                });
                future::try_join_all(each).await
            }
        }
    }
}

fn is_forgotten(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(problem) if problem.kind() == Some(ServerErrorKind::NoScript))
}

/// The text of an answer, if it is one.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        Value::VerbatimString { text, .. } => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The elements of an answer; those of a map one after another.
pub(crate) fn elements(value: Value) -> Vec<Value> {
    match value {
        Value::Array(elements) | Value::Set(elements) => elements,
        Value::Map(entries) => entries.into_iter().flat_map(|(key, value)| [key, value]).collect(),
        _ => Vec::new(),
    }
}

/// Fields and values of a hash.
pub(crate) fn fields(value: Value) -> Vec<(String, Vec<u8>)> {
    let mut fields = Vec::new();
    let mut elements = elements(value).into_iter();
    while let (Some(field), Some(value)) = (elements.next(), elements.next()) {
        if let (Some(field), Value::BulkString(value)) = (text(&field), value) {
            fields.push((field, value));
        }
    }
    fields
}
