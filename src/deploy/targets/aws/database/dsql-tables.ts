import {
  columnRefusals,
  hasCache,
  type Refusal,
  tableBodyRefusals,
  typeRefusals,
} from './dsql-columns.ts'
import type { SqlToken } from './sql-tokens.ts'
import { find, isSymbol, StatementReader, splitAtCommas } from './statement-reader.ts'

/** What Aurora DSQL refuses of CREATE TABLE; the reader stands behind these words. */
export function createTableRefusals(reader: StatementReader): Refusal[] {
  reader.skipIfExists()
  reader.name()
  const start = reader.next
  if (find(reader.rest, 'partition', 'of') !== undefined) return [partition(start)]
  const body = reader.parentheses() ?? []
  const behind = reader.rest
  const query = find(behind, 'as')
  if (query !== undefined) {
    return [
      {
        token: query.token,
        problem: 'a table cannot be made of a query',
        instead: 'create table, then insert … select in a migration of its own',
      },
    ]
  }
  return [...tableBodyRefusals(body), ...tableClauses(behind)]
}

const partition = (token: SqlToken | undefined): Refusal => ({
  token,
  problem: 'there are no partitions',
  instead: 'one table: Aurora DSQL spreads it by its primary key',
})

function tableClauses(behind: readonly SqlToken[]): Refusal[] {
  const refusals: Refusal[] = []
  const refuse = (words: string[], problem: string, instead: string) => {
    const found = find(behind, ...words)
    if (found !== undefined) refusals.push({ token: found.token, problem, instead })
  }
  const byPartition = find(behind, 'partition', 'by')
  if (byPartition !== undefined) refusals.push(partition(byPartition.token))
  refuse(['inherits'], 'no table inherits of another', 'repeat its columns')
  refuse(['with'], 'tables have no storage parameters', 'leave them away')
  refuse(['using'], 'tables have one access method', 'leave it away')
  refuse(['on', 'commit'], 'there are no temporary tables', 'leave it away')
  refuse(['tablespace'], 'there are no tablespaces', 'leave it away')
  return refusals
}

/** Of CREATE INDEX; that it is made in the background is added when it is run. */
export function createIndexRefusals(reader: StatementReader): Refusal[] {
  reader.skip('async')
  const refusals: Refusal[] = []
  const [concurrently] = reader.rest
  if (reader.skip('concurrently')) {
    refusals.push({
      token: concurrently,
      problem: 'no index is made concurrently',
      instead: 'leave it away: none stops the others',
    })
  }
  const on = find(reader.rest, 'on')
  if (on === undefined) return refusals
  const table = new StatementReader(on.behind)
  table.skip('only')
  table.name()
  const [using] = table.rest
  if (table.skip('using')) {
    const method = table.name()
    if (method !== 'btree') {
      refusals.push({
        token: using,
        problem: `there is no index of the kind ${method}`,
        instead: 'an ordinary one, on what is looked for',
      })
    }
  }
  for (const key of splitAtCommas(table.parentheses() ?? [])) {
    const descending = find(key, 'desc')
    if (descending !== undefined) {
      refusals.push({
        token: descending.token,
        problem: 'keys of an index have no direction',
        instead: 'leave desc away: an index is read backwards as well',
      })
    }
    const collate = find(key, 'collate')
    if (collate !== undefined) {
      refusals.push({
        token: collate.token,
        problem: 'keys of an index have no collation',
        instead: 'leave it away: texts are compared octet by octet',
      })
    }
  }
  const parameters = find(table.rest, 'with')
  if (parameters !== undefined) {
    refusals.push({
      token: parameters.token,
      problem: 'an index has no storage parameters',
      instead: 'leave them away',
    })
  }
  return refusals
}

export function createSequenceRefusals(reader: StatementReader): Refusal[] {
  reader.skipIfExists()
  reader.name()
  const { next, rest } = reader
  const refusals: Refusal[] = []
  if (next?.text !== 'cache' || !hasCache(rest)) {
    refusals.push({
      token: next,
      problem: 'a sequence says first that its cache is 1, or 65536 and more',
      instead: 'create sequence … cache 1',
    })
  }
  const type = find(rest, 'as')?.behind[0]
  if (type !== undefined && type.text !== 'bigint' && type.text !== 'int8') {
    refusals.push({ token: type, problem: 'a sequence counts in bigint', instead: 'leave it away' })
  }
  return refusals
}

/** Of ALTER TABLE; the reader stands behind these words. */
export function alterTableRefusals(reader: StatementReader): Refusal[] {
  reader.skip('async')
  reader.skipIfExists()
  reader.skip('only')
  reader.name()
  return splitAtCommas(reader.rest.filter(token => !isSymbol(token, '*'))).flatMap(action =>
    actionRefusals(new StatementReader(action), action[0]),
  )
}

const COLUMN_ALONE =
  'add column with a type alone, then alter column … set default, and an update in a migration of its own'
const NOT_NULL = 'add constraint … check (… is not null) not valid, then validate constraint'

/** By the words that an action of ALTER TABLE begins with. */
const ACTIONS: readonly [phrase: string, problem: string, instead: string][] = [
  ['enable row level', 'there is no row level security', 'a condition in the queries'],
  ['disable row level', 'there is no row level security', 'leave it away'],
  ['force row level', 'there is no row level security', 'a condition in the queries'],
  ['no force row level', 'there is no row level security', 'leave it away'],
  ['enable rule', 'there are no rules', 'leave it away'],
  ['disable rule', 'there are no rules', 'leave it away'],
  ['cluster on', 'tables are not clustered', 'leave it away'],
  ['set without cluster', 'tables are not clustered', 'leave it away'],
  ['set tablespace', 'there are no tablespaces', 'leave it away'],
  ['set access method', 'tables have one access method', 'leave it away'],
  ['set logged', 'all tables are logged', 'leave it away'],
  ['set unlogged', 'all tables are logged', 'leave it away'],
  ['set', 'tables have no storage parameters', 'leave them away'],
  ['reset', 'tables have no storage parameters', 'leave them away'],
  ['inherit', 'no table inherits of another', 'repeat its columns'],
  ['no inherit', 'no table inherits of another', 'leave it away'],
  ['of', 'no table is of a type', 'leave it away'],
  ['not of', 'no table is of a type', 'leave it away'],
  ['replica identity', 'nothing is replicated by that', 'leave it away'],
  ['attach partition', 'there are no partitions', 'one table for all'],
  ['detach partition', 'there are no partitions', 'one table for all'],
]

function actionRefusals(reader: StatementReader, token: SqlToken | undefined): Refusal[] {
  if (reader.skip('set', 'schema')) return []
  if (reader.skip('add')) return addRefusals(reader, token)
  if (reader.skip('alter')) return alterColumnRefusals(reader, token)
  const refused = ACTIONS.find(([phrase]) => reader.skip(...phrase.split(' ')))
  if (refused === undefined) return []
  const [, problem, instead] = refused
  return [{ token, problem, instead }]
}

function addRefusals(reader: StatementReader, token: SqlToken | undefined): Refusal[] {
  if (reader.skip('constraint')) reader.name()
  const kind = reader.skipOneOf(['check', 'foreign key', 'unique', 'primary key', 'exclude'])
  switch (kind) {
    case 'check':
    case 'foreign key': {
      if (find(reader.rest, 'not', 'valid') !== undefined) return []
      const problem = 'a rule for rows that are there takes two steps'
      const instead = 'not valid behind it, then alter table … validate constraint'
      return [{ token, problem, instead }]
    }
    case 'unique':
      if (find(reader.rest, 'using', 'index') !== undefined) return []
      return [
        {
          token,
          problem: 'no table gets a unique constraint later',
          instead: 'create unique index',
        },
      ]
    case 'primary key':
      return [
        {
          token,
          problem: 'a table has its primary key from the beginning',
          instead: 'name it in create table',
        },
      ]
    case 'exclude':
      return [
        {
          token,
          problem: 'there are no exclusion constraints',
          instead: 'a unique index, or a check by the function',
        },
      ]
  }
  reader.skip('column')
  reader.skipIfExists()
  const name = reader.name()
  const types = typeRefusals(name, reader.rest)
  if (types.length > 0) return types
  const rules = ['not', 'null', 'default', 'check', 'unique', 'primary', 'references', 'generated']
  const rule = [...rules, 'constraint']
    .map(word => find(reader.rest, word)?.token)
    .find(found => found !== undefined)
  if (rule !== undefined) {
    const problem = `column "${name}" is added with more than a type`
    return [{ token: rule, problem, instead: COLUMN_ALONE }]
  }
  return columnRefusals(name, reader.rest)
}

function alterColumnRefusals(reader: StatementReader, token: SqlToken | undefined): Refusal[] {
  if (reader.skip('constraint')) return []
  reader.skip('column')
  const name = reader.name()
  const refuse = (problem: string, instead: string) => [
    { token, problem: `column "${name}" ${problem}`, instead },
  ]
  if (reader.skip('type') || reader.skip('set', 'data', 'type')) {
    return refuse('cannot change its type', 'add another column, update, then drop this one')
  }
  if (reader.skip('set', 'not', 'null')) return refuse('cannot become not null', NOT_NULL)
  const kept = ['set default', 'set storage', 'set generated', 'set increment', 'set start']
  if (
    reader.skipOneOf([...kept, 'set cache', 'set cycle', 'set no', 'set minvalue', 'set maxvalue'])
  ) {
    return []
  }
  if (reader.skip('set') || reader.skip('reset')) {
    return refuse('has no such setting', 'leave it away')
  }
  return []
}
