/**
 * How many environments a project may have busy at once. Half of an equal share is kept for each
 * other project that is active, used or not: with 30 places and two projects 7, so that a slow
 * function of one never takes more than 23. Whoever is alone may take all.
 */
export function fairShare(
  places: number,
  project: string,
  busy: ReadonlyMap<string, number>,
  active: ReadonlySet<string>,
): number {
  const others = new Set([...active, ...busy.keys()])
  others.delete(project)
  const kept = Math.floor(places / (2 * (others.size + 1)))
  let left = places
  for (const other of others) left -= Math.max(kept, busy.get(other) ?? 0)
  return Math.max(0, left)
}
