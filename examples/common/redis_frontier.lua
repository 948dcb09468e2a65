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

-- The first process to come says where the crawl begins, and how many pages it may have.
function steps.begin(pages, url, is_allowed)
  redis.call('HSETNX', tally, 'began', now())
  redis.call('HSETNX', tally, 'pages', pages)
  find(url, is_allowed)
  return 0
end

-- Renews the lease, and puts back what processes had claimed whose lease has run out.
-- Those stay known: whoever still waits in their name could be given one more page.
function steps.beat(lease)
  redis.call('ZADD', members, now() + lease, me)
  local count = 0
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', members, '-inf', now())) do
    while redis.call('LMOVE', pending .. gone, frontier, 'RIGHT', 'LEFT') do
      count = count + 1
    end
  end
  return count
end

-- Counts a page once, even if it was put back and visited again meanwhile.
function steps.done(url, outcome, bytes, ...)
  local links = { ... }
  if redis.call('LREM', pending .. me, 1, url) == 0 then
    return 0
  end
  redis.call('HINCRBY', tally, outcome, 1)
  redis.call('HINCRBY', tally, 'bytes', bytes)
  for at = 1, #links, 2 do
    find(links[at], links[at + 1])
  end
  return 1
end

function steps.look()
  return 0
end

local step = steps[ARGV[1]](unpack(ARGV, 3))
local age = now() - figure('began')
return {
  step, figure('queued'), figure('forbidden'), figure('visited'), figure('failed'),
  figure('bytes'), age
}
