import { execFile, execFileSync } from 'node:child_process'
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../../src/database/database.ts'
import { silentLogger } from '../../../src/shared/logger.ts'
import { findOnPath } from '../../../src/shared/tied-process.ts'

const here = fileURLToPath(new URL('../../../src/functions/runtimes/python', import.meta.url))

function findPython(): string | undefined {
  try {
    const probe = 'import sys; print(sys.executable if sys.version_info >= (3, 9) else "")'
    return execFileSync('python3', ['-c', probe], { encoding: 'utf8' }).trim() || undefined
  } catch {
    return undefined
  }
}

const python = findPython()

/** Runs a Python program with the driver imported and returns what it prints as JSON lines. */
function run(program: string, url: string | undefined): Promise<unknown[]> {
  const code = `import sys, json, os\nsys.path.insert(0, ${JSON.stringify(here)})\nimport mokapot\ndef out(value): print(json.dumps(value, default=repr))\n${program}`
  const env: NodeJS.ProcessEnv = { PATH: process.env.PATH ?? '', PYTHONDONTWRITEBYTECODE: '1' }
  if (url !== undefined) env.DATABASE_URL = url
  return new Promise((resolve, reject) => {
    execFile(
      python ?? '',
      ['-I', '-S', '-c', code],
      { env, timeout: 15_000 },
      (error, stdout, stderr) => {
        if (error !== null) reject(new Error(stderr || error.message))
        else
          resolve(
            stdout
              .split('\n')
              .filter(Boolean)
              .map(line => JSON.parse(line) as unknown),
          )
      },
    )
  })
}

describe.skipIf(python === undefined)('mokapot.py against PostgreSQL (needs python3 ≥ 3.9)', () => {
  let directory: string
  let database: Database
  let url: string

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'moka-python-'))
    database = await openDatabase({ directory, port: 0, logger: silentLogger })
    url = (await database.ensure('python-driver')).url
  })
  afterAll(async () => {
    await database?.close()
    await rm(directory, { recursive: true, force: true })
  })

  it('decodes results by their type', async () => {
    const [row] = await run(
      `
row = mokapot.query("""select 1::int2 as i2, 2::int8 as i8, 1.5::float8 as f, true as yes,
  'Zürich' as text, '{"a":[1]}'::jsonb as doc, 12.30::numeric as exact, null::int as nothing,
  '2024-02-29'::date as day, '12:34:56.7'::time as clock, '2024-02-29 12:34:56.789'::timestamp as plain,
  '2024-02-29 12:34:56+05:30'::timestamptz as zoned, 'infinity'::timestamptz as never, '0044-03-15 BC'::date as ides,
  'c0ffee00-0000-4000-8000-000000000000'::uuid as id, '\\\\xdeadbeef'::bytea as raw, interval '1 day' as span""")[0]
out(row)`,
      url,
    )
    expect(row).toEqual({
      i2: 1,
      i8: 2,
      f: 1.5,
      yes: true,
      text: 'Zürich',
      doc: { a: [1] },
      exact: "Decimal('12.30')",
      nothing: null,
      day: 'datetime.date(2024, 2, 29)',
      clock: 'datetime.time(12, 34, 56, 700000)',
      plain: 'datetime.datetime(2024, 2, 29, 12, 34, 56, 789000)',
      zoned: 'datetime.datetime(2024, 2, 29, 7, 4, 56, tzinfo=datetime.timezone.utc)',
      never: 'infinity',
      ides: '0044-03-15 BC',
      id: 'c0ffee00-0000-4000-8000-000000000000',
      raw: "b'\\xde\\xad\\xbe\\xef'",
      span: '1 day',
    })
  })

  it('decodes arrays, nested, with nulls, quotes and bounds', async () => {
    const rows = await run(
      `
row = mokapot.query("""select array[1,null,3] as a, array[[1,2],[3,4]] as b, array['x,y','q"\\\\','','NULL',null] as c,
  '{}'::text[] as d, '[0:1]={7,8}'::int[] as e, array[1.5::numeric] as f""")[0]
out(row)`,
      url,
    )
    expect(rows[0]).toEqual({
      a: [1, null, 3],
      b: [
        [1, 2],
        [3, 4],
      ],
      c: ['x,y', 'q"\\', '', 'NULL', null],
      d: [],
      e: [7, 8],
      f: ["Decimal('1.5')"],
    })
  })

  it('sends every kind of parameter so that it comes back equal', async () => {
    const rows = await run(
      `
import datetime as dt, decimal, uuid
zone = dt.timezone(dt.timedelta(hours=-3, minutes=-30))
for kind, value in [("int8", -2**63), ("bool", False), ("text", "it's; -- \\\\ \\u2603"), ("float8", 1e-300),
    ("numeric", decimal.Decimal("1E+3")), ("bytea", bytes(range(256))), ("jsonb", {"k": [1, None]}),
    ("date", dt.date(1, 1, 1)), ("timestamp", dt.datetime(2024, 1, 2, 3, 4, 5, 6)),
    ("timestamptz", dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=zone)), ("time", dt.time(1, 2, 3, 4)),
    ("int[]", [1, None, 3]), ("text[]", ['a"b', "c\\\\d", "", "NULL", None]), ("bytea[]", [b"\\x00\\xff"]), ("text", None)]:
    back = mokapot.query(f"select $1::{kind} as v", value)[0]["v"]
    out([kind, back == value])
out(mokapot.query("select $1::uuid as v", uuid.UUID(int=5))[0]["v"])
out(mokapot.query("select $1::interval = '1 day 2.5 seconds' as v", dt.timedelta(days=1, seconds=2.5))[0]["v"])
try: mokapot.query("select $1::text", object())
except TypeError as error: out(str(error))`,
      url,
    )
    expect(rows.slice(0, 15).filter(row => (row as [string, boolean])[1] !== true)).toEqual([])
    expect(rows.slice(15)).toEqual([
      '00000000-0000-0000-0000-000000000005',
      true,
      'a parameter of type object cannot be sent to PostgreSQL',
    ])
  })

  it('tells the rows affected, and the server’s error with its fields, and goes on', async () => {
    const rows = await run(
      `
mokapot.execute("create table if not exists guests (id int primary key, name text)")
out(mokapot.execute("insert into guests select g, 'x' from generate_series(1, 3) g"))
out(mokapot.execute("update guests set name = $1 where id < $2", "y", 3))
for _ in range(2):
    try: mokapot.execute("insert into guests values ($1, 'z')", 1)
    except mokapot.DatabaseError as error: out([error.sqlstate, error.detail, error.constraint])
try: mokapot.query("selec 1")
except mokapot.DatabaseError as error: out(error.sqlstate)
try: mokapot.execute("copy guests from stdin")
except mokapot.DatabaseError as error: out(error.sqlstate)
try: mokapot.execute("copy guests to stdout")
except mokapot.DatabaseError as error: out(error.sqlstate)
mokapot.execute("do $$ begin raise notice 'hello'; end $$")
out(mokapot.query("select count(*) as n from guests"))`,
      url,
    )
    const duplicate = ['23505', 'Key (id)=(1) already exists.', 'guests_pkey']
    expect(rows).toEqual([3, 2, duplicate, duplicate, '42601', '57014', '0A000', [{ n: 3 }]])
  })

  it('commits, rolls back, and nests transactions as savepoints', async () => {
    const rows = await run(
      `
mokapot.execute("create table steps (n int)")
with mokapot.transaction():
    mokapot.execute("insert into steps values (1)")
    try:
        with mokapot.transaction():
            mokapot.execute("insert into steps values (2)")
            raise KeyError("inner")
    except KeyError: pass
    with mokapot.transaction():
        mokapot.execute("insert into steps values (3)")
try:
    with mokapot.transaction() as tx:
        tx.execute("insert into steps values (4)")
        raise KeyError("outer")
except KeyError: pass
try:
    with mokapot.transaction():
        mokapot.execute("insert into steps values (5)")
        try: mokapot.query("select 1/0")
        except mokapot.DatabaseError: pass
except mokapot.DatabaseError as error: out(error.sqlstate)
out([row["n"] for row in mokapot.query("select n from steps order by n")])`,
      url,
    )
    expect(rows).toEqual(['25P02', [1, 3]])
  })

  it('prepares a statement once, and anew when a table has changed under it', async () => {
    const rows = await run(
      `
mokapot.execute("create table shapes (a int)")
mokapot.execute("insert into shapes values (1)")
sql = "select * from shapes"
first = mokapot.query(sql)
mokapot.query(sql)
out(mokapot.query("select count(*) as n from pg_prepared_statements where statement = $1", sql))
mokapot.execute("alter table shapes add b text default 'new'")
out([first, mokapot.query(sql)])
mokapot.execute("deallocate all")
out(mokapot.query(sql))`,
      url,
    )
    const changed = [{ a: 1, b: 'new' }]
    expect(rows).toEqual([[{ n: 1 }], [[{ a: 1 }], changed], changed])
  })

  it('replaces a connection that died before a statement was sent, also after a fork', async () => {
    const rows = await run(
      `
other = mokapot.connect()
before = mokapot.query("select pg_backend_pid() as pid")[0]["pid"]
other.query("select pg_terminate_backend($1, 2000)", before)
after = mokapot.query("select pg_backend_pid() as pid")[0]["pid"]
out(before != after)
sys.stdout.flush()
child = os.fork()
if child == 0:
    out(mokapot.query("select pg_backend_pid() as pid")[0]["pid"] != after)
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
out(mokapot.query("select pg_backend_pid() as pid")[0]["pid"] == after)
kept = mokapot.connect()
pid = kept.query("select pg_backend_pid() as pid")[0]["pid"]
other.query("select pg_terminate_backend($1, 2000)", pid)
try: kept.query("select 1")
except mokapot.DatabaseError as error: out([error.sqlstate, kept.closed])`,
      url,
    )
    expect(rows).toEqual([true, true, true, ['08003', true]])
  })

  it('never repeats a statement whose outcome is unknown, nor goes on in a lost transaction', async () => {
    const rows = await run(
      `
mokapot.execute("create table tries (n int)")
mokapot.execute("create function die() returns int language sql as 'select pg_terminate_backend(pg_backend_pid())::int'")
try: mokapot.query("insert into tries select die() returning n")
except mokapot.DatabaseError as error: out(error.sqlstate)
other = mokapot.connect()
try:
    with mokapot.transaction():
        mokapot.execute("insert into tries values (1)")
        pid = mokapot.query("select pg_backend_pid() as pid")[0]["pid"]
        other.query("select pg_terminate_backend($1, 2000)", pid)
        mokapot.execute("insert into tries values (2)")
except mokapot.DatabaseError as error: out(error.sqlstate)
out(mokapot.query("select n from tries"))`,
      url,
    )
    expect(rows).toEqual(['57P01', '08003', []])
  })

  it('serves threads in turns', async () => {
    const rows = await run(
      `
import threading
mokapot.execute("create table counter as select 0 as n")
def work():
    for _ in range(20):
        with mokapot.transaction():
            n = mokapot.query("select n from counter")[0]["n"]
            mokapot.execute("update counter set n = $1", n + 1)
threads = [threading.Thread(target=work) for _ in range(5)]
for thread in threads: thread.start()
for thread in threads: thread.join()
out(mokapot.query("select n from counter")[0]["n"])`,
      url,
    )
    expect(rows).toEqual([100])
  })

  it('carries values larger than any buffer', async () => {
    const rows = await run(
      `
big = "é" * 2_000_000
out(mokapot.query("select $1::text as v", big)[0]["v"] == big)
out(sum(len(row["v"]) for row in mokapot.query("select repeat('x', 1000) as v from generate_series(1, 3000)")))`,
      url,
    )
    expect(rows).toEqual([true, 3_000_000])
  })

  it.skipIf(findOnPath('openssl') === undefined)(
    'speaks TLS as sslmode says (needs openssl)',
    async () => {
      const data = join(directory, 'data')
      const certificate = join(data, 'server.crt')
      const subject = ['-subj', '/CN=x', '-addext', 'subjectAltName=DNS:localhost']
      const files = ['-keyout', join(data, 'server.key'), '-out', certificate]
      const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
      execFileSync('openssl', ['req', '-x509', '-days', '1', ...key, ...files, ...subject], {
        stdio: 'ignore',
      })
      await appendFile(join(data, 'postgresql.conf'), '\nssl = on\n')
      const pid = Number((await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n')[0])
      process.kill(pid, 'SIGHUP')
      const rows = await run(
        `
import time
url = os.environ["DATABASE_URL"]
def attempt(query, host="127.0.0.1"):
    try:
        with mokapot.connect(url.replace("127.0.0.1", host) + query) as c:
            c.query("select repeat('x', 100000)")
            return c.query("select ssl from pg_stat_ssl where pid = pg_backend_pid()")[0]["ssl"]
    except mokapot.DatabaseError as error: return str(error)
until = time.monotonic() + 5
while attempt("") is not True and time.monotonic() < until: pass
root = "&sslrootcert=" + ${JSON.stringify(certificate)}
out([attempt(q) for q in ("", "?sslmode=require", "?sslmode=disable", "?sslmode=verify-ca" + root)])
out("verify failed" in attempt("?sslmode=verify-full"))
out("127.0.0.1" in str(attempt("?sslmode=verify-full" + root)))
out(attempt("?sslmode=verify-full" + root, "localhost"))`,
        url,
      )
      expect(rows).toEqual([[true, true, false, true], true, true, true])
    },
  )

  it('goes through the door and wakes what sleeps behind it', async () => {
    const through = database.url('python-driver')
    expect(await run('out(mokapot.query("select current_database() as name"))', through)).toEqual([
      [{ name: 'python_driver' }],
    ])
  })

  it('says what is wrong with the url or the server, never the password', async () => {
    const rows = await run(
      `
def attempt(url):
    try: mokapot.connect(url)
    except (mokapot.DatabaseError, ValueError) as error: out([type(error).__name__, str(error)])
attempt(None)
attempt("mysql://u:secret@h/db")
attempt("postgres://u:sec/ret@h/db")
attempt("postgres://u:secret@127.0.0.1:1/db")
attempt("postgres://u:secret@%2Fnowhere/db")
attempt(${JSON.stringify(url.replace(/:[^:@]+@/, ':secret@'))})`,
      undefined,
    )
    expect(rows).toEqual([
      ['DatabaseError', 'DATABASE_URL is not set: the project has no database'],
      ['ValueError', 'the database url does not begin with postgres://'],
      ['ValueError', 'the database url names no user'],
      ['DatabaseError', 'cannot connect to database "db" at 127.0.0.1:1: Connection refused'],
      [
        'DatabaseError',
        'cannot connect to database "db" at /nowhere/.s.PGSQL.5432: No such file or directory',
      ],
      ['DatabaseError', 'password authentication failed for user "python_driver"'],
    ])
  })
})
