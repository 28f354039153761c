import type { Connection } from '../client/connect.ts'

/** Schemas that are nobody's own. Ours has its record, which is data. */
const OWN_SCHEMA = `n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'mokapot')`
const notOfExtension = (catalog: string, oid: string) =>
  `not exists (select from pg_depend d where d.classid = '${catalog}'::regclass and d.objid = ${oid} and d.deptype = 'e')`
const IS_OWN_TABLE = `${OWN_SCHEMA} and ${notOfExtension('pg_class', 'c.oid')}`

/**
 * What a database consists of besides data, a line for each thing, in a fixed order. Two databases
 * with the same lines take the same data and behave alike.
 */
const LINES = [
  `select format('schema %I', n.nspname) from pg_namespace n
   where ${OWN_SCHEMA} and ${notOfExtension('pg_namespace', 'n.oid')}`,
  `select format('extension %I %s', extname, extversion) from pg_extension`,
  `select format('%s %I.%I%s%s', case c.relkind when 'r' then 'table' when 'p' then 'partitioned table'
       when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table'
       else 'sequence' end, n.nspname, c.relname,
     case when c.relrowsecurity then ' row security' else '' end,
     case when c.relforcerowsecurity then ' forced' else '' end)
     || coalesce(' ' || pg_get_partkeydef(c.oid), '') || coalesce(' ' || pg_get_expr(c.relpartbound, c.oid), '')
     || case when c.relkind in ('v', 'm') then ' as ' || pg_get_viewdef(c.oid) else '' end
   from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where ${IS_OWN_TABLE} and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')`,
  `select format('column %I.%I.%I %s%s%s%s%s', n.nspname, c.relname, a.attname,
     format_type(a.atttypid, a.atttypmod), case when a.attnotnull then ' not null' else '' end,
     ' default ' || pg_get_expr(d.adbin, d.adrelid), ' identity ' || nullif(a.attidentity::text, ''),
     ' generated ' || nullif(a.attgenerated::text, ''))
   from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
   left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
   where ${IS_OWN_TABLE} and c.relkind in ('r', 'p', 'f', 'c') and a.attnum > 0 and not a.attisdropped`,
  `select format('constraint %I.%I.%I %s', n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid))
   from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
   where ${IS_OWN_TABLE}`,
  `select 'index ' || pg_get_indexdef(i.indexrelid) from pg_index i
   join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace where ${IS_OWN_TABLE}`,
  `select 'trigger ' || pg_get_triggerdef(t.oid) from pg_trigger t
   join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
   where ${IS_OWN_TABLE} and not t.tgisinternal`,
  `select format('policy %I.%I.%I %s %s %s %s %s', schemaname, tablename, policyname, permissive, roles, cmd,
     qual, with_check) from pg_policies p where p.schemaname <> 'mokapot'`,
  `select format('rule %I.%I %s', schemaname, tablename, definition) from pg_rules r
   where r.schemaname not in ('pg_catalog', 'information_schema', 'mokapot')`,
  `select 'routine ' || pg_get_functiondef(p.oid) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
   where ${OWN_SCHEMA} and ${notOfExtension('pg_proc', 'p.oid')} and p.prokind in ('f', 'p')`,
  `select format('type %I.%I %s', n.nspname, t.typname, coalesce(
     (select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid),
     format_type(t.typbasetype, t.typtypmod) || coalesce(' default ' || t.typdefault, '') || coalesce(' ' ||
       (select string_agg(pg_get_constraintdef(k.oid), ' ' order by k.conname) from pg_constraint k where k.contypid = t.oid), '')))
   from pg_type t join pg_namespace n on n.oid = t.typnamespace
   where ${OWN_SCHEMA} and ${notOfExtension('pg_type', 't.oid')} and t.typtype in ('e', 'd')`,
  `select format('sequence %I.%I %s from %s by %s', schemaname, sequencename, data_type, start_value, increment_by)
   from pg_sequences s where s.schemaname <> 'mokapot'`,
]

export async function readCatalog({ sql }: Pick<Connection, 'sql'>): Promise<string[]> {
  // Names are told with their schemas, whoever asks.
  await sql.unsafe(`set local search_path = ''`)
  const rows = await sql.unsafe<{ line: string }[]>(
    LINES.map(query => `select line from (${query}) as part (line)`).join(' union all '),
  )
  return rows.map(({ line }) => line).sort()
}

/** A table, and how its rows are copied. */
export interface CopiedTable {
  name: string
  /** `"public"."visits" ("id", "path")`, without what the server computes. */
  target: string
}

export interface DataPlan {
  tables: CopiedTable[]
  /** What keeps rows from coming in one table after the other: run before. */
  before: string[]
  /** What puts that back, and what follows from the rows: run after. */
  after: string[]
}

/**
 * What is to be copied, and what has to be put aside meanwhile: foreign keys, so that tables may come
 * in any order, and triggers, which have done what they do. Whoever owns the tables may run it.
 */
export async function planData({ sql }: Pick<Connection, 'sql'>): Promise<DataPlan> {
  const isOwn = `(${IS_OWN_TABLE} or (n.nspname = 'mokapot' and c.relname = 'migrations'))`
  const from = `from pg_class c join pg_namespace n on n.oid = c.relnamespace`
  const tables = await sql.unsafe<{ name: string; columns: string }[]>(
    `select format('%I.%I', n.nspname, c.relname) as name,
       coalesce((select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''), '') as columns
     ${from} where ${isOwn} and c.relkind = 'r' and c.relpersistence <> 't' order by 1`,
  )
  const keys = await sql.unsafe<{ before: string; after: string }[]>(
    `select format('alter table %I.%I drop constraint %I', n.nspname, c.relname, k.conname) as before,
       format('alter table %I.%I add constraint %I %s', n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid)) as after
     from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
     where ${isOwn} and k.contype = 'f' and k.conparentid = 0 order by 1`,
  )
  const triggers = await sql.unsafe<{ before: string; after: string }[]>(
    `select format('alter table %I.%I disable trigger %I', n.nspname, c.relname, t.tgname) as before,
       format('alter table %I.%I enable %s trigger %I', n.nspname, c.relname,
         case t.tgenabled when 'A' then 'always' when 'R' then 'replica' else '' end, t.tgname) as after
     from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
     where ${isOwn} and not t.tgisinternal and t.tgenabled <> 'D' and t.tgparentid = 0 order by 1`,
  )
  const sequences = await sql.unsafe<{ name: string }[]>(
    `select format('%I.%I', n.nspname, c.relname) as name ${from} where ${isOwn} and c.relkind = 'S' order by 1`,
  )
  const values: string[] = []
  for (const { name } of sequences) {
    const [row] = await sql.unsafe(`select last_value, is_called from ${name}`)
    values.push(
      `select pg_catalog.setval('${name.replaceAll("'", "''")}', ${row?.last_value}, ${row?.is_called})`,
    )
  }
  const views = await sql.unsafe<{ statement: string }[]>(
    `select format('refresh materialized view %I.%I', n.nspname, c.relname) as statement
     ${from} where ${isOwn} and c.relkind = 'm' and c.relispopulated order by c.oid`,
  )
  const names = tables.map(({ name }) => name)
  return {
    tables: tables.map(({ name, columns }) => ({ name, target: `${name} (${columns})` })),
    before: [
      ...triggers.map(({ before }) => before),
      ...keys.map(({ before }) => before),
      // Migrations have put rows there, too.
      ...(names.length === 0 ? [] : [`truncate ${names.join(', ')}`]),
    ],
    after: [
      ...values,
      ...keys.map(({ after }) => after),
      ...triggers.map(({ after }) => after),
      ...views.map(({ statement }) => statement),
    ],
  }
}
