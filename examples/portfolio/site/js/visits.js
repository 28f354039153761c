// The visitor counter. The page is complete without it.

const counter = document.getElementById('visit-counter')
const line = document.getElementById('visit-line')
const number = document.getElementById('visit-count')
const button = document.getElementById('visit-button')
const message = document.getElementById('visit-message')

const OUT_OF_ORDER = 'The counter is cleaning its filter. Everything else here works without it.'

let last = 0 // The highest number seen: answers may overtake one another.
let clearing // The timer that takes the message away again.

async function count() {
  try {
    const response = await fetch('/api/visits', { method: 'POST' })
    if (response.status === 429) return tooMany(response.headers.get('retry-after'))
    if (!response.ok) return say(OUT_OF_ORDER)
    show((await response.json()).count)
  } catch {
    say(OUT_OF_ORDER)
  }
}

function show(count) {
  if (!Number.isSafeInteger(count)) return say(OUT_OF_ORDER)
  last = Math.max(last, count)
  number.textContent = last
  line.hidden = false
  say('')
}

// The limit is `rateLimit` in moka.config.ts. Page loads count towards it too.
function tooMany(retryAfter) {
  const seconds = Number(retryAfter)
  const when = seconds > 0 ? `in ${seconds} second${seconds === 1 ? '' : 's'}` : 'in a minute'
  say(`That is a lot of coffee. The counter takes five cups a minute: try again ${when}.`, seconds)
}

function say(text, seconds = 0) {
  message.textContent = text
  clearTimeout(clearing)
  if (seconds > 0) clearing = setTimeout(say, seconds * 1000, '')
}

line.hidden = true // Until there is a number.
counter.hidden = false
button.addEventListener('click', count)
count()
