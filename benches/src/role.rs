//! This program again, in a role: what it is to do comes on standard input as one line of JSON, what came of
//! it goes to standard output likewise. It ends when its input does, so none outlives the run.

use std::env;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The word before a role.
const AS: &str = "as";

/// What a process of this program may be started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Makes requests.
    Load,
    /// Serves without a platform behind it.
    Bare,
    /// Takes the point workload into a folder.
    Fill,
    /// Takes the point workload in and holds it.
    Hold,
    /// Exports a folder, as often as asked.
    Export,
}

const WORDS: [(&str, Role); 5] = [
    ("load", Role::Load),
    ("bare", Role::Bare),
    ("fill", Role::Fill),
    ("hold", Role::Hold),
    ("export", Role::Export),
];

/// The role this process was started in; none: a person started it.
pub(crate) fn role_of_this_process() -> Option<Role> {
    let mut arguments = env::args().skip(1);
    let word = arguments.next().filter(|word| word == AS).and_then(|_| arguments.next())?;
    WORDS.iter().find(|(name, _)| *name == word).map(|(_, role)| *role)
}

/// A process in a role; killed when it is dropped.
pub(crate) struct Player {
    name: &'static str,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Player {
    /// Starts one and tells it what to do.
    pub(crate) fn start(role: Role, what: &impl Serialize) -> Result<Player> {
        let name = WORDS.iter().find(|(_, known)| *known == role).map_or("", |(name, _)| *name);
        let mut command = Command::new(env::current_exe().context("this program has no path")?);
        Player::begin(name, command.args([AS, name]), what)
    }

    /// The same with another program.
    pub(crate) fn begin(
        name: &'static str,
        command: &mut Command,
        what: &impl Serialize,
    ) -> Result<Player> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let input = child.stdin.take().context("no pipe")?;
        let output = BufReader::new(child.stdout.take().context("no pipe")?);
        let mut player = Player { name, child, input, output };
        player.say(what)?;
        Ok(player)
    }

    /// Tells it something.
    pub(crate) fn say(&mut self, what: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(what)?;
        line.push(b'\n');
        let said = self.input.write_all(&line).and_then(|()| self.input.flush());
        said.with_context(|| format!("{} does not listen", self.name))
    }

    /// Waits for what it has to say.
    pub(crate) fn hear<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        anyhow::ensure!(!line.is_empty(), "{} has failed; its words are above", self.name);
        serde_json::from_str(&line).with_context(|| format!("{} said: {line}", self.name))
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it without a word, as a crash would.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What this process is told next; none: nothing more is wanted.
pub(crate) fn told<T: DeserializeOwned>() -> Result<Option<T>> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    if line.is_empty() { Ok(None) } else { Ok(Some(serde_json::from_str(&line)?)) }
}

/// Says what came of it.
pub(crate) fn say(what: &impl Serialize) -> Result<()> {
    let mut output = io::stdout().lock();
    serde_json::to_writer(&mut output, what)?;
    output.write_all(b"\n")?;
    Ok(output.flush()?)
}
