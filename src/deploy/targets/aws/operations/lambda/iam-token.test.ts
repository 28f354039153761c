import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { findOnPath } from '../../../../../shared/tied-process.ts'
import { databaseToken, type TokenRequest } from './iam-token.ts'

const NOW_MS = Date.UTC(2026, 1, 3, 4, 5, 6, 789)
const KEYS = { accessKeyId: 'ASIAEXAMPLE', secretAccessKey: 'wJalr/XUtn+FEMI=' }
const SESSION = { ...KEYS, sessionToken: 'IQoJb3JpZ2lu//token+with/signs==' }
const rds = { kind: 'rds', region: 'eu-central-1', host: 'x.abc.eu-central-1.rds.amazonaws.com' }
const dsql = { kind: 'dsql', region: 'us-east-2', host: 'abc.dsql.us-east-2.on.aws' }
const REQUESTS = {
  'a user of RDS': { ...rds, port: 5432, user: 'app', keys: KEYS },
  'a user of RDS with a session and an odd name': {
    ...{ ...rds, port: 6543, user: "o'neil (app)*!", keys: SESSION },
  },
  'a role of DSQL': { ...dsql, user: 'app', keys: SESSION },
  'the admin of DSQL': { ...dsql, user: 'admin', keys: KEYS },
} as Record<string, Omit<TokenRequest, 'nowMs'>>

/** What AWS's own library signs, at the same time. */
const BOTOCORE = `
import datetime, json, sys
import botocore.auth, botocore.session
request = json.loads(sys.argv[1])
now = datetime.datetime.fromtimestamp(request["nowMs"] / 1000, datetime.timezone.utc)
botocore.auth.get_current_datetime = lambda *_: now.replace(tzinfo=None)
session = botocore.session.Session()
keys = request["keys"]
session.set_credentials(keys["accessKeyId"], keys["secretAccessKey"], keys.get("sessionToken"))
client = session.create_client(request["kind"], region_name=request["region"])
if request["kind"] == "rds":
    print(client.generate_db_auth_token(request["host"], request["port"], request["user"]))
elif request["user"] == "admin":
    print(client.generate_db_connect_admin_auth_token(request["host"]))
else:
    print(client.generate_db_connect_auth_token(request["host"]))
`
const OURS = `
import json, sys
sys.path.insert(0, sys.argv[2])
from mokapot_lambda import database_token
request = json.loads(sys.argv[1])
keys = request["keys"]
print(database_token(request["kind"], request["host"], request.get("port", 5432), request["user"],
    request["region"], (keys["accessKeyId"], keys["secretAccessKey"], keys.get("sessionToken")),
    request["nowMs"] / 1000))
`
const folder = fileURLToPath(new URL('.', import.meta.url))

function python(code: string, request: object): string {
  const args = ['-c', code, JSON.stringify({ ...request, nowMs: NOW_MS }), folder]
  return execFileSync('python3', args, { encoding: 'utf8' }).trim()
}

function parts(token: string): string[] {
  const [address, query = ''] = token.split('?')
  return [address!, ...query.split('&').sort()]
}

function hasBotocore(): boolean {
  if (findOnPath('python3') === undefined) return false
  try {
    execFileSync('python3', ['-c', 'import botocore'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

describe('a password that IAM checks', () => {
  it('is the same for the same moment, and another for the next', () => {
    const request = { ...REQUESTS['a role of DSQL']!, nowMs: NOW_MS } as TokenRequest
    expect(databaseToken(request)).toBe(databaseToken(request))
    expect(databaseToken({ ...request, nowMs: NOW_MS + 1000 })).not.toBe(databaseToken(request))
  })

  describe.skipIf(!hasBotocore())('against botocore (needs python3 with botocore)', () => {
    it.each(Object.entries(REQUESTS))('is what botocore signs for %s', (_, request) => {
      const signed = parts(python(BOTOCORE, request))
      expect(parts(databaseToken({ ...request, nowMs: NOW_MS } as TokenRequest))).toEqual(signed)
      expect(parts(python(OURS, request))).toEqual(signed)
    })
  })
})
