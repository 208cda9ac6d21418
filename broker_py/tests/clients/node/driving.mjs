// SPDX-License-Identifier: Apache-2.0
// What the drivers written for Node.js share: conditions, scenarios of groups, a line of JSON per feature (features.py).

import { isDeepStrictEqual } from 'node:util'

export const DEADLINE_MS = 60_000
export const COUNT = 100
export const OTHERS_COUNT = 20

export const [bootstrap, zookeeper, prefix, ...only] = process.argv.slice(2)
export const servers = bootstrap.split(',')
export const topicOf = (feature) => `${prefix}.${feature}`
export const numbered = (text, count) => Array.from({ length: count }, (_, number) => `${text}${number}`)
/** Long enough that no producer finds them not worth compressing. */
export const codecValues = (codec) => numbered(`${codec} ${'squeeze '.repeat(20)}`, 50)
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

export async function until (condition, what) {
  const deadline = Date.now() + DEADLINE_MS
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited for ${what}`)
    await sleep(20)
  }
}

export function expect (found, wanted, what) {
  const text = (value) => JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? `${each}` : each))
  if (!isDeepStrictEqual(found, wanted)) throw new Error(`${what}: ${text(found)}, not ${text(wanted)}`)
}

function answer (feature, cell, why = '') {
  console.log(JSON.stringify({ feature, cell, why }))
}

/** Try every feature in turn; one that fails does not keep the next from being tried. */
export async function drive (features, notInClient) {
  for (const [feature, why] of Object.entries(notInClient)) answer(feature, 'no', why)
  for (const [feature, run] of Object.entries(features)) {
    if (only.length && !only.includes(feature)) continue
    try {
      await run()
      answer(feature, 'yes')
    } catch (error) {
      console.error(feature, error, error.errors ?? '')
      answer(feature, 'FAILED', `${error}`)
    }
  }
  process.exit(0)
}

/** `make` returns a member: {owned: Set, values: [], commit(), close()}; `write(value, partition)`. */
export async function shareAndResume (make, write) {
  const all = (member) => member.owned.size === 4
  for (let number = 0; number < 40; number++) await write(`before ${number}`, number % 4)
  const one = await make()
  await until(() => all(one) && one.values.length >= 40, 'one member to have all')
  await one.commit()
  const two = await make()
  await until(
    () => one.owned.size === 2 && two.owned.size === 2 && ![...one.owned].some((each) => two.owned.has(each)),
    'two members to share'
  )
  await two.close()
  await until(() => all(one), 'the first to have all again')
  await one.close()
  for (let number = 0; number < 4; number++) await write(`after ${number}`, number)
  const three = await make()
  await until(() => three.values.length >= 4, 'the records after the committed offsets')
  expect(three.values.sort(), numbered('after ', 4), 'values')
  await three.close()
}
