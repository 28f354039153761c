import { logicalId } from '../fragment.ts'

/** What a function's resources are called in the template. No other resource ends in these words. */
export function functionIds(name: string) {
  const id = `${logicalId(name)}Function`
  return {
    function: id,
    role: `${id}Role`,
    logs: `${id}Logs`,
    version: `${id}Version`,
    live: `${id}Live`,
    integration: `${id}Integration`,
    apiPermission: `${id}ApiPermission`,
    url: `${id}Url`,
    urlPermission: `${id}UrlPermission`,
    invokePermission: `${id}InvokePermission`,
  }
}
