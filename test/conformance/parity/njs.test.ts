import { expect, it } from 'vitest'
import { openAws } from './aws.ts'
import { NJS, replayInNjs } from './njs.ts'
import { REQUESTS } from './requests.ts'

it.skipIf(NJS === undefined)(
  'the functions give in njs what they give in Node (needs njs)',
  async () => {
    const aws = openAws(1)
    for (const request of Object.values(REQUESTS)) await aws.ask(request)
    expect(aws.calls.size).toBe(3)
    for (const { event, result, inNjs } of replayInNjs(aws)) {
      expect(JSON.parse(inNjs), event).toEqual(JSON.parse(result))
    }
  },
)
