-- The steps of a shared crawl, each of which the server does as one.
-- KEYS: what the crawl keeps. ARGV: which step, which process asks, and the step's own arguments.
local seen, frontier, tally, members, pending = unpack(KEYS)
local me = ARGV[2]

local function figure(name)
  return tonumber(redis.call('HGET', tally, name) or 0)
end

-- Milliseconds; one clock for all machines.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Queues a page, unless it was found before, is forbidden, or one too many.
local function find(url, is_allowed)
  if figure('queued') >= figure('pages') or redis.call('SADD', seen, url) == 0 then
    return
  end
  if is_allowed == '0' then
    redis.call('HINCRBY', tally, 'forbidden', 1)
    return
  end
  redis.call('HINCRBY', tally, 'queued', 1)
  redis.call('RPUSH', frontier, url)
end

local steps = {}

-- PAGES URL IS_ALLOWED: the first process to come says how many pages the crawl may have.
function steps.begin()
  redis.call('HSETNX', tally, 'began', now())
  redis.call('HSETNX', tally, 'pages', ARGV[3])
  find(ARGV[4], ARGV[5])
  return 0
end

-- LEASE: renews the lease, and puts back what processes had claimed whose lease has run out.
-- Those stay known: a page may still be claimed in their name until their connections are closed.
function steps.beat()
  redis.call('ZADD', members, now() + ARGV[3], me)
  local count = 0
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', members, '-inf', now())) do
    while redis.call('LMOVE', pending .. gone, frontier, 'RIGHT', 'LEFT') do
      count = count + 1
    end
  end
  return count
end

-- URL OUTCOME BYTES [LINK IS_ALLOWED]...: counts a page once, even if it was put back meanwhile and
-- another process visits it as well.
function steps.done()
  if redis.call('LREM', pending .. me, 1, ARGV[3]) == 0 then
    return 0
  end
  redis.call('HINCRBY', tally, ARGV[4], 1)
  redis.call('HINCRBY', tally, 'bytes', ARGV[5])
  for at = 6, #ARGV, 2 do
    find(ARGV[at], ARGV[at + 1])
  end
  return 1
end

function steps.look()
  return 0
end

-- The last to leave takes everything away, so that the next crawl begins anew.
function steps.leave()
  redis.call('ZREM', members, me)
  if redis.call('ZCOUNT', members, now(), '+inf') == 0 then
    redis.call('DEL', seen, frontier, tally, members)
  end
  return 0
end

local result = steps[ARGV[1]]()
return {
  result, figure('queued'), figure('forbidden'), figure('visited'), figure('failed'),
  figure('bytes'), now() - figure('began')
}
