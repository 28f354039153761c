const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/**
 * The three forms that a recipient must understand (RFC 9110 §5.6.7). Their case is fixed, and some
 * servers do not know.
 */
const IMF_FIXDATE =
  /^(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat), (\d\d) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/i
const RFC_850 =
  /^(?:Sun|Mon|Tues|Wednes|Thurs|Fri|Satur)day, (\d\d)-(\w{3})-(\d\d) (\d\d):(\d\d):(\d\d) GMT$/i
const ASCTIME = /^(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat) (\w{3}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})$/i

/** `Sun, 06 Nov 1994 08:49:37 GMT`; fractions of a second are cut off. */
export function formatHttpDate(epochMs: number): string {
  const date = new Date(epochMs)
  const day = `${DAYS[date.getUTCDay()]}, ${two(date.getUTCDate())}`
  const year = String(date.getUTCFullYear()).padStart(4, '0')
  const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`
  return `${day} ${MONTHS[date.getUTCMonth()]} ${year} ${time} GMT`
}

/**
 * Milliseconds since the epoch, or undefined where the text is no HTTP date. `now` places the two
 * digits of an RFC 850 year: more than 50 years ahead means the century before (RFC 9110 §5.6.7).
 */
export function parseHttpDate(text: string, now: number): number | undefined {
  const imf = IMF_FIXDATE.exec(text)
  if (imf !== null) return utc(imf[3]!, imf[2]!, imf[1]!, imf[4]!, imf[5]!, imf[6]!)
  const asctime = ASCTIME.exec(text)
  if (asctime !== null) {
    return utc(asctime[6]!, asctime[1]!, asctime[2]!, asctime[3]!, asctime[4]!, asctime[5]!)
  }
  const rfc850 = RFC_850.exec(text)
  if (rfc850 === null) return undefined
  const thisYear = new Date(now).getUTCFullYear()
  let year = thisYear - (thisYear % 100) + Number(rfc850[3])
  if (year > thisYear + 50) year -= 100
  return utc(String(year), rfc850[2]!, rfc850[1]!, rfc850[4]!, rfc850[5]!, rfc850[6]!)
}

function utc(
  year: string,
  monthName: string,
  day: string,
  hour: string,
  minute: string,
  second: string,
): number | undefined {
  const month = MONTHS.indexOf(`${monthName[0]!.toUpperCase()}${monthName.slice(1).toLowerCase()}`)
  // 60 is a leap second; Date.UTC carries it over.
  if (month === -1 || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return
  const date = new Date(0)
  date.setUTCFullYear(Number(year), month, Number(day))
  if (date.getUTCMonth() !== month || date.getUTCDate() !== Number(day)) return undefined
  return date.setUTCHours(Number(hour), Number(minute), Number(second))
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value)
}
