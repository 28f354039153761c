// How redirects are matched and filled, as src/edge/redirects does it.

function firstRule(ask, segments, rules) {
  rules.sort((a, b) => a.n - b.n)
  for (let i = 0; i < rules.length; i++) {
    const captures = matchRule(ask, segments, rules[i])
    const outcome = captures && applyRule(ask, rules[i], captures)
    if (outcome) return outcome
  }
  return
}

function matchRule(ask, segments, rule) {
  if ((rule.h && rule.h !== ask.host_) || rule.k === 'http') return
  const count = rule.p.length
  if (rule.a ? segments.length < count : segments.length !== count) return
  const captures = {}
  for (let i = 0; i < count; i++) {
    const segment = segments[i]
    if (/^:[A-Za-z_]/.test(rule.p[i])) {
      if (!segment) return
      captures[rule.p[i]] = segment
    } else if (rule.p[i] !== segment) return
  }
  if (rule.a) {
    const rest = segments.slice(count).join('/')
    captures[':splat'] = rest && ask.path_.endsWith('/') ? `${rest}/` : rest
  }
  return matchQuery(ask, rule, captures) && meetsConditions(ask, rule.o || {})
    ? captures
    : undefined
}

function segmentsOf(path) {
  const trimmed = path.replace(/^\//, '').replace(/\/$/, '')
  return trimmed ? trimmed.split('/') : []
}

function matchQuery(ask, rule, captures) {
  if (!rule.q) return true
  const given = {}
  const names = Object.keys(rule.q)
  ask.query_
    .slice(1)
    .split('&')
    .forEach(pair => {
      if (!pair) return
      const at = pair.indexOf('=')
      const name = decodeQuery(at < 0 ? pair : pair.slice(0, at))
      if (!(`=${name}` in given)) given[`=${name}`] = at < 0 ? '' : decodeQuery(pair.slice(at + 1))
    })
  if (Object.keys(given).length !== names.length) return false
  return names.every(name => {
    const value = given[`=${name}`]
    if (value === undefined) return false
    if (rule.q[name][0] !== ':') return rule.q[name] === value
    captures[rule.q[name]] = value
    return true
  })
}

function decodeQuery(text) {
  try {
    return decodeURIComponent(text.replace(/\+/g, ' '))
  } catch (error) {
    return text
  }
}

function meetsConditions(ask, conditions) {
  const cookies = ask.request_.cookies
  return Object.keys(conditions).every(name => {
    const values = conditions[name]
    if (name === 'Cookie') return values.some(value => value in cookies)
    const cookie = cookies[name === 'Country' ? 'nf_country' : 'nf_lang']
    if (name === 'Country') {
      const country = cookie ? cookie.value : field(ask, 'cloudfront-viewer-country')
      return values.includes(country.toLowerCase())
    }
    if (name !== 'Language') return false
    const language = cookie ? cookie.value : firstLanguage(field(ask, 'accept-language'))
    return values.some(value => `${language.toLowerCase()}-`.startsWith(`${value}-`))
  })
}

function firstLanguage(accepted) {
  let best = ''
  let weight = 0
  accepted.split(',').forEach(member => {
    const name = member.split(';')[0].trim()
    const quality = /;\s*q\s*=\s*([\d.]+)/i.exec(member)
    const own = quality ? Number(quality[1]) : 1
    if (name && name !== '*' && own > weight) {
      best = name
      weight = own
    }
  })
  return best
}

// What a rule comes to; undefined where it would lead to the same page again, or may not be filled.
function applyRule(ask, rule, captures) {
  const isForced = !!rule.f
  const path = makeSafe(fill(rule.t, captures, encodeSegments))
  const query = makeSafe(fill(rule.s || '', captures, encodeURIComponent))
  const fragment = makeSafe(fill(rule.g || '', captures, encodeURIComponent))
  const isRedirect = /^30[12378]$/.test(rule.c)
  if (rule.u === undefined) {
    const to = `/${path.replace(/^(\/|%5c)+/i, '')}`
    if (!isRedirect) return { to_: to, status_: rule.c, isForced_: isForced }
    const passed = query || (rule.q ? '' : ask.query_)
    if (passed === ask.query_ && isSamePage(ask, to)) return
    return { location_: to + passed + fragment, status_: rule.c, isForced_: isForced }
  }
  let isSafe = true
  const site = fill(rule.u, captures, value => {
    if (!/^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$/.test(value)) isSafe = false
    return value
  }).toLowerCase()
  if (!isSafe || !isRedirect) return
  const passed = (query || (rule.q ? '' : ask.query_)).replace(/["'<>]/g, encodeMark)
  const isHere = site.replace(/:\d*$/, '') === `https://${ask.host_}`
  if (isHere && passed === ask.query_ && isSamePage(ask, path || '/')) return
  return {
    location_: site + (path || '/') + passed + fragment,
    status_: rule.c,
    isForced_: isForced,
  }
}

function isSamePage(ask, encoded) {
  const other = decodePath(encoded)
  if (other === undefined) return false
  if (withoutSlash(other) === withoutSlash(ask.path_)) return true
  // All names of a page stand in one shard.
  return !!ask.file_ && basePath(other) === ask.base_ && findFile(ask, other) === ask.file_
}

function withoutSlash(path) {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}

function fill(text, captures, encode) {
  return text.replace(/:[A-Za-z_]\w*/g, name => (name in captures ? encode(captures[name]) : name))
}

function makeSafe(text) {
  return text.replace(/[^\x21-\x7e]+|[\\"<>^`{|}]+/g, encodeURIComponent)
}

// A field of the request, or ''.
