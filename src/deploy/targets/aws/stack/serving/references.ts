/** Names of a template that a value of it speaks of: resources, parameters, conditions. */
export function referencesOf(value: unknown): Set<string> {
  const found = new Set<string>()
  collect(value, found)
  return found
}

function collect(value: unknown, found: Set<string>): void {
  if (Array.isArray(value)) {
    for (const item of value) collect(item, found)
    return
  }
  if (typeof value !== 'object' || value === null) return
  for (const [key, inner] of Object.entries(value)) {
    const [first] = [inner].flat()
    if (typeof first === 'string') {
      switch (key) {
        case 'Ref':
        case 'Condition':
        case 'Fn::If':
          found.add(first)
          break
        case 'Fn::GetAtt':
          found.add(first.split('.')[0]!)
          break
        case 'DependsOn':
          for (const id of [inner].flat()) found.add(id)
          break
        case 'Fn::Sub':
          for (const [, name = ''] of first.matchAll(/\$\{([\w:]+)(?:\.[\w.]+)?\}/g))
            found.add(name)
      }
    }
    collect(inner, found)
  }
}
