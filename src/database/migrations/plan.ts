import { MokaError } from '../../shared/errors.ts'

interface NamedHash {
  name: string
  sha256: string
}

export interface PendingMigrations<T extends NamedHash> {
  /** What is to be applied, in order. */
  pending: T[]
  alreadyApplied: number
}

/** Byte order, the same on every machine, whatever its locale. */
export function compareNames(left: NamedHash, right: NamedHash): number {
  return Buffer.compare(Buffer.from(left.name), Buffer.from(right.name))
}

/**
 * What is left to apply. An applied migration that is missing from the list is fine: an older
 * release is being deployed. Throws `DATABASE_MIGRATION_CHANGED`, `…_OUT_OF_ORDER`, `…_INVALID`.
 */
export function planMigrations<T extends NamedHash>(
  migrations: readonly T[],
  applied: readonly NamedHash[],
): PendingMigrations<T> {
  const hashes = new Map(applied.map(({ name, sha256 }) => [name, sha256]))
  const ordered = migrations.toSorted(compareNames)
  const last = applied.toSorted(compareNames).at(-1)
  const pending: T[] = []
  for (const [index, migration] of ordered.entries()) {
    if (ordered[index - 1]?.name === migration.name) {
      throw new MokaError(
        'DATABASE_MIGRATION_INVALID',
        `cannot apply migration "${migration.name}": it is listed twice`,
      )
    }
    const hash = hashes.get(migration.name)
    if (hash === undefined) {
      if (last !== undefined && compareNames(migration, last) < 0) throw outOfOrder(migration, last)
      pending.push(migration)
    } else if (hash !== migration.sha256) throw changed(migration)
  }
  return { pending, alreadyApplied: ordered.length - pending.length }
}

function changed({ name }: NamedHash): MokaError {
  return new MokaError(
    'DATABASE_MIGRATION_CHANGED',
    `cannot apply migration "${name}": it was applied before with another content`,
    { hint: 'restore the file as it was, and put the change into a new migration' },
  )
}

function outOfOrder(migration: NamedHash, last: NamedHash): MokaError {
  return new MokaError(
    'DATABASE_MIGRATION_OUT_OF_ORDER',
    `cannot apply migration "${migration.name}": it sorts before "${last.name}", which is already applied`,
    { hint: `rename it so that it sorts after "${last.name}"` },
  )
}
