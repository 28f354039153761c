import type { Choice } from './behavior.ts'

/** Whether a name is chosen. Names in the choice are as they are compared: fields in lower case. */
export function isChosen(choice: Choice, name: string): boolean {
  if (choice === 'all') return true
  if (choice === 'none') return false
  return 'only' in choice ? choice.only.includes(name) : !choice.allBut.includes(name)
}

/** A query with the parameters that are chosen, in their order; "" or with its "?". */
export function chooseQuery(query: string, ...choices: readonly Choice[]): string {
  if (query === '' || choices.includes('all')) return query
  const parameters = query
    .slice(1)
    .split('&')
    .filter(parameter => choices.some(choice => isChosen(choice, nameOf(parameter))))
  return parameters.length === 0 ? '' : `?${parameters.join('&')}`
}

/** A Cookie field with the cookies that are chosen; undefined where none is left. */
export function chooseCookies(
  value: string | undefined,
  ...choices: readonly Choice[]
): string | undefined {
  if (value === undefined || choices.includes('all')) return value
  const cookies = value
    .split(';')
    .map(cookie => cookie.trim())
    .filter(cookie => {
      const name = cookie.split('=', 1)[0]!.trim()
      return name !== '' && choices.some(choice => isChosen(choice, name))
    })
  return cookies.length === 0 ? undefined : cookies.join('; ')
}

/** By its decoded form: `%61=1` is `a=1` for the origin. */
function nameOf(parameter: string): string {
  const name = parameter.split('=', 1)[0]!.replaceAll('+', ' ')
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}
