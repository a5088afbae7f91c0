//! The scripts: each is atomic, and says itself whether what it finds is what its caller believes.

use redis::{Cmd, Script};

/// Applies a version of a hash. Keys: the hash. Arguments: term; epoch; the epoch that the caller wrote before, 0:
/// it writes the hash whole; milliseconds to live; channel and patch, where somebody listens; then fields and
/// values, an empty one to take the field away. Gives 1: applied; 0: it is there already; -1: another term has
/// written; -2: what the caller wrote before is not there.
pub const APPLY: &str = r"
local term, epoch, before = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local stored = redis.call('HGET', KEYS[1], 'v')
local old_term, old_epoch = -1, -1
if stored then
  local one, other = string.match(stored, '^(%d+)%.(%d+)$')
  if one then old_term, old_epoch = tonumber(one), tonumber(other) end
end
if old_term > term then return -1 end
if old_term == term and old_epoch >= epoch then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  return 0
end
if before == 0 then
  redis.call('DEL', KEYS[1])
elseif old_term < term or old_epoch < before then
  return -2
end
local set = {'HSET', KEYS[1], 'v', ARGV[1] .. '.' .. ARGV[2]}
for at = 7, #ARGV, 2 do
  if ARGV[at + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[at])
  else
    set[#set + 1], set[#set + 2] = ARGV[at], ARGV[at + 1]
    if #set > 500 then
      redis.call(unpack(set))
      set = {'HSET', KEYS[1]}
    end
  end
end
if #set > 2 then redis.call(unpack(set)) end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
if ARGV[5] ~= '' then redis.call('PUBLISH', ARGV[5], ARGV[6]) end
return 1
";

/// Takes the prefix over. Keys: the state, and what else lies beside the stream, which goes where it is of another
/// incarnation (hashes of series and totals that nobody names go in their time). Arguments: incarnation; writer; now in microseconds;
/// microseconds after which a writer that is silent has gone; milliseconds to live; whether the clock goes on by
/// itself; the newest epoch of the engine (a prefix that has a greater one is of another history). Gives `{term, number of the last commit, its epoch}`, the epoch -1 where what lies there is not this
/// incarnation's or not whole; or `{-1, incarnation}` where another engine is at work.
const BEGIN: &str = r"
local now = tonumber(ARGV[3])
local s = redis.call('HMGET', KEYS[1], 'incarnation', 'term', 'n', 'epoch', 'beat', 'filling')
if s[1] and s[1] ~= ARGV[1] and now - tonumber(s[5] or '0') < tonumber(ARGV[4]) then
  return {'-1', s[1]}
end
local milliseconds = math.floor(now / 1000)
local term, epoch = tonumber(s[2] or '0'), tonumber(s[4] or '-1')
if s[1] ~= ARGV[1] or epoch > tonumber(ARGV[7]) then
  term, epoch = math.max(term + 1, milliseconds), -1
  redis.call('UNLINK', unpack(KEYS))
end
if s[6] then epoch = -1 end
local n = math.max(tonumber(s[3] or '0') + 1, milliseconds)
redis.call('HSET', KEYS[1], 'incarnation', ARGV[1], 'term', string.format('%d', term), 'writer', ARGV[2],
  'n', string.format('%d', n), 'beat', ARGV[3], 'live', ARGV[6])
if epoch < 0 then redis.call('HSET', KEYS[1], 'filling', '1', 'epoch', '-1') end
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return {string.format('%d', term), string.format('%d', n), string.format('%d', epoch)}
";

/// Closes an epoch. Keys: the state, and what else lies beside the stream. Arguments: term; writer; the epoch that it
/// follows on, or `resync`; the epoch; its number; its parts; its clock; figures; now; milliseconds to live; the first
/// id of the stream that stays; whether everything has just been written (`whole`); names of series and of totals that
/// there must be. Gives 1: closed; 0: it was closed already; -1 where another writer is at work; -2: the state or the
/// names are not what the writer left.
const COMMIT: &str = r"
local s = redis.call('HMGET', KEYS[1], 'term', 'writer', 'epoch', 'n')
if not s[1] or not s[2] then return -2 end
if s[1] ~= ARGV[1] or s[2] ~= ARGV[2] then return -1 end
if s[3] == ARGV[4] and s[4] == ARGV[5] then return 0 end
if ARGV[12] ~= 'whole' and s[3] ~= ARGV[3] then return -2 end
if redis.call('HLEN', KEYS[3]) < tonumber(ARGV[13]) or redis.call('HLEN', KEYS[4]) < tonumber(ARGV[14]) then
  return -2
end
local id = ARGV[5] .. '-' .. string.format('%d', tonumber(ARGV[6]) + 1)
redis.call('XADD', KEYS[2], id, 'epoch', ARGV[4], 'from', ARGV[3], 'parts', ARGV[6], 'clock', ARGV[7],
  'term', ARGV[1], 'figures', ARGV[8])
redis.call('XTRIM', KEYS[2], 'MINID', ARGV[11])
redis.call('HSET', KEYS[1], 'at', id, 'epoch', ARGV[4], 'n', ARGV[5], 'clock', ARGV[7], 'figures', ARGV[8], 'beat', ARGV[9],
  'newest', ARGV[4], 'series', ARGV[13], 'totals', ARGV[14])
redis.call('HDEL', KEYS[1], 'filling')
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[10]) end
return 1
";

/// Says that the writer is there. Keys: the state, and what else lies beside the stream. Arguments: term; writer; now;
/// the newest epoch of the engine. Gives the epoch of the last commit (-1 while everything is being written), or
/// `gone` where something is, or `superseded`.
const BEAT: &str = r"
local s = redis.call('HMGET', KEYS[1], 'term', 'writer', 'epoch', 'filling', 'series', 'totals')
if not s[1] or not s[2] then return 'gone' end
if s[1] ~= ARGV[1] or s[2] ~= ARGV[2] then return 'superseded' end
redis.call('HSET', KEYS[1], 'beat', ARGV[3], 'newest', ARGV[4])
if not s[4] then
  if redis.call('EXISTS', KEYS[2], KEYS[5], KEYS[6], KEYS[7]) < 4 then return 'gone' end
  if redis.call('HLEN', KEYS[3]) < tonumber(s[5] or '0') then return 'gone' end
  if redis.call('HLEN', KEYS[4]) < tonumber(s[6] or '0') then return 'gone' end
end
return s[3]
";

/// Takes away what lies beside the stream, and says that what lies here is not whole. Keys: the state, and what else
/// lies beside the stream. Arguments: those
/// that make it: incarnation, term, writer, number, now, milliseconds to live, whether the clock goes on.
const EMPTIED: &str = r"
local s = redis.call('HMGET', KEYS[1], 'term', 'writer')
if s[1] and tonumber(s[1]) > tonumber(ARGV[2]) then return -1 end
if s[2] and s[1] == ARGV[2] and s[2] ~= ARGV[3] then return -1 end
redis.call('UNLINK', unpack(KEYS))
redis.call('HSET', KEYS[1], 'incarnation', ARGV[1], 'term', ARGV[2], 'writer', ARGV[3], 'n', ARGV[4],
  'beat', ARGV[5], 'live', ARGV[7], 'filling', '1', 'epoch', '-1')
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1
";

/// A script, and the name by which a server that has seen it knows it.
#[derive(Debug)]
pub(crate) struct Lua {
    pub(crate) code: &'static str,
    sha: String,
}

impl Lua {
    fn new(code: &'static str) -> Lua {
        Lua { code, sha: Script::new(code).get_hash().to_owned() }
    }

    /// A call of it; arguments follow the keys.
    pub(crate) fn call(&self, keys: &[&str]) -> Cmd {
        let mut call = redis::cmd("EVALSHA");
        call.arg(&self.sha).arg(keys.len()).arg(keys);
        call
    }
}

/// All scripts.
#[derive(Debug)]
pub(crate) struct Scripts {
    pub(crate) apply: Lua,
    pub(crate) begin: Lua,
    pub(crate) commit: Lua,
    pub(crate) beat: Lua,
    pub(crate) emptied: Lua,
}

impl Scripts {
    pub(crate) fn new() -> Scripts {
        Scripts {
            apply: Lua::new(APPLY),
            begin: Lua::new(BEGIN),
            commit: Lua::new(COMMIT),
            beat: Lua::new(BEAT),
            emptied: Lua::new(EMPTIED),
        }
    }

    pub(crate) fn each(&self) -> [&Lua; 5] {
        [&self.apply, &self.begin, &self.commit, &self.beat, &self.emptied]
    }
}
