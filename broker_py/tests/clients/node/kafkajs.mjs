// SPDX-License-Identifier: Apache-2.0
// The matrix's driver of kafkajs. Its codecs but gzip are plugged in, as its documentation says: snappy by
// kafkajs-snappy, lz4 and zstd by WebAssembly, which needs no compiler.

import { createRequire } from 'node:module'
import { init, compress, decompress } from '@bokuweb/zstd-wasm'
import { lz4Compress, lz4Decompress } from '@platformatic/wasm-utils'
import {
  COUNT, OTHERS_COUNT, codecValues, drive, expect, numbered, prefix, servers, shareAndResume, topicOf, until
} from './driving.mjs'

const require = createRequire(import.meta.url)
const { Kafka, logLevel, CompressionTypes, CompressionCodecs, ConfigResourceTypes } = require('kafkajs')

await init()
CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async (encoder) => lz4Compress(encoder.buffer),
  decompress: async (buffer) => lz4Decompress(buffer)
})
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from(compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from(decompress(buffer))
})

const kafka = (brokers = servers) =>
  new Kafka({ brokers, logLevel: logLevel.NOTHING, retry: { initialRetryTime: 50, retries: 20 } })
const text = (buffer) => buffer?.toString() ?? null

async function withProducer (run, options = {}, brokers = servers) {
  const producer = kafka(brokers).producer(options)
  await producer.connect()
  try {
    return await run(producer)
  } finally {
    await producer.disconnect()
  }
}

async function withAdmin (run) {
  const admin = kafka().admin()
  await admin.connect()
  try {
    return await run(admin)
  } finally {
    await admin.disconnect()
  }
}

const write = (topic, values, compression, options) =>
  withProducer((producer) => producer.send({ topic, compression, messages: values.map((value) => ({ value })) }), options)

let readers = 0
/** kafkajs reads only as a group. */
async function read (topic, count, { brokers = servers, ...options } = {}) {
  const consumer = kafka(brokers).consumer({ groupId: `${prefix}.reader${readers++}`, ...options })
  const found = []
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ eachMessage: async ({ partition, message }) => { found.push({ partition, ...message }) } })
  await until(() => found.length >= count, `${count} records of ${topic}`)
  await consumer.disconnect()
  return found
}
const values = (messages) => messages.map((message) => text(message.value))

async function produceConsume () {
  const topic = topicOf('produce-consume')
  const messages = numbered('value ', COUNT).map((value, number) => ({ key: `key ${number % 10}`, value }))
  await withProducer((producer) => producer.send({ topic, messages }), {}, servers.slice(0, 1))
  const found = await read(topic, COUNT, { brokers: servers.slice(-1) })
  expect(values(found).sort(), numbered('value ', COUNT).sort(), 'values')
  for (const partition of [0, 1]) {
    const order = values(found.filter((each) => each.partition === partition)).map((each) => Number(each.slice(6)))
    expect(order, order.toSorted((a, b) => a - b), 'order')
  }
}

async function headers () {
  const topic = topicOf('headers')
  await withProducer(async (producer) => {
    await producer.send({ topic, messages: [{ value: 'with', headers: { one: '1', many: ['2', '3'] } }] })
    await producer.send({ topic, messages: [{ key: 'gone', value: null }] })
  })
  const [first, second] = await read(topic, 2)
  expect([text(first.headers.one), first.headers.many.map(text)], ['1', ['2', '3']], 'headers')
  expect([text(second.key), second.value], ['gone', null], 'the record without a value')
}

function codec (name, type) {
  return async () => {
    await write(topicOf(name), codecValues(name), type)
    expect(values(await read(topicOf(name), 50)), codecValues(name), 'values')
    expect(values(await read(`others.${name}`, OTHERS_COUNT)), numbered('other ', OTHERS_COUNT), 'values of others')
  }
}

async function member (topic) {
  const consumer = kafka().consumer({ groupId: topic, heartbeatInterval: 200, sessionTimeout: 10_000 })
  const self = { owned: new Set(), values: [], next: new Map() }
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => { self.owned = new Set(payload.memberAssignment[topic]) })
  consumer.on(consumer.events.REBALANCING, () => { self.owned = new Set() })
  self.commit = () => consumer.commitOffsets(
    [...self.next].map(([partition, offset]) => ({ topic, partition, offset: `${offset}` })))
  self.close = () => consumer.disconnect()
  self.consumer = consumer
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      self.values.push(text(message.value))
      self.next.set(partition, BigInt(message.offset) + 1n)
    }
  })
  return self
}

async function rebalance () {
  const topic = topicOf('rebalance')
  await withProducer((producer) => shareAndResume(
    () => member(topic), (value, partition) => producer.send({ topic, messages: [{ value, partition }] })))
}

async function idempotence () {
  const topic = topicOf('idempotence')
  await write(topic, numbered('value ', COUNT), undefined, { idempotent: true })
  expect(values(await read(topic, COUNT)), numbered('value ', COUNT), 'values')
}

async function transactions () {
  const topic = topicOf('transactions')
  await withProducer(async (producer) => {
    for (const name of ['a', 'b', 'c']) {
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: numbered(name, 10).map((value) => ({ value })) })
      await (name === 'b' ? transaction.abort() : transaction.commit())
    }
  }, { transactionalId: topic, idempotent: true, maxInFlightRequests: 1 })
  const committed = [...numbered('a', 10), ...numbered('c', 10)]
  expect(values(await read(topic, 20)).sort(), committed, 'read_committed')
  const all = values(await read(topic, 30, { readUncommitted: true })).sort()
  expect(all, [...committed, ...numbered('b', 10)].sort(), 'read_uncommitted')
}

async function transactionalOffsets () {
  const topic = topicOf('transactional-offsets')
  await withProducer(async (producer) => {
    for (const offset of ['5', '9']) {
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: [{ value: offset }] })
      await transaction.sendOffsets({ consumerGroupId: topic, topics: [{ topic, partitions: [{ partition: 0, offset }] }] })
      await (offset === '9' ? transaction.abort() : transaction.commit())
    }
  }, { transactionalId: topic, idempotent: true, maxInFlightRequests: 1 })
  await withAdmin((admin) => until(async () => {
    const [found] = await admin.fetchOffsets({ groupId: topic, topics: [topic] })
    return found.partitions[0].offset === '5'
  }, "the committed transaction's offset"))
}

async function offsetsByTime () {
  const topic = topicOf('offsets-by-time')
  const now = Date.now()
  const messages = [0, 1, 2].map((number) => ({ value: 'x', timestamp: `${now + number * 1000}` }))
  await withProducer((producer) => producer.send({ topic, messages }))
  await withAdmin(async (admin) => {
    const [{ low, high }] = await admin.fetchTopicOffsets(topic)
    expect([low, high], ['0', '3'], 'earliest and latest')
    const [found] = await admin.fetchTopicOffsetsByTimestamp(topic, now + 500)
    expect(found.offset, '1', 'the first not older')
  })
}

async function topics () {
  const topic = topicOf('topics')
  await withAdmin(async (admin) => {
    const partitions = async () => {
      if (!(await admin.listTopics()).includes(topic)) return 0
      return (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length
    }
    const configEntries = [{ name: 'retention.ms', value: '60000' }]
    await admin.createTopics({ topics: [{ topic, numPartitions: 3, replicationFactor: 2, configEntries }] })
    await until(async () => (await partitions()) === 3, 'three partitions')
    await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
    await until(async () => (await partitions()) === 5, 'five partitions')
    await admin.deleteTopics({ topics: [topic] })
    await until(async () => (await partitions()) === 0, 'the topic to be gone')
  })
}

async function configs () {
  const topic = topicOf('configs')
  await withAdmin(async (admin) => {
    const described = async (type, name, key) => {
      const found = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type, name }] })
      return found.resources[0].configEntries.find((each) => each.configName === key).configValue
    }
    const configEntries = [{ name: 'max.message.bytes', value: '2000000' }]
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }]
    await admin.alterConfigs({ validateOnly: false, resources })
    await until(
      async () => (await described(ConfigResourceTypes.TOPIC, topic, 'max.message.bytes')) === '2000000', 'the new value')
    expect(await described(ConfigResourceTypes.BROKER, '0', 'broker.id'), '0', 'broker.id')
  })
}

async function groupsAdmin () {
  const topic = topicOf('groups-admin')
  await write(topic, ['a', 'b'])
  const self = await member(topic)
  await until(() => self.values.length === 2, 'two records')
  await self.commit()
  await withAdmin(async (admin) => {
    const listed = async () => (await admin.listGroups()).groups.some((each) => each.groupId === topic)
    expect(await listed(), true, 'the group in the list')
    const { groups: [described] } = await admin.describeGroups([topic])
    expect([described.state, described.members.length], ['Stable', 1], 'the group')
    await self.close()
    const [offsets] = await admin.fetchOffsets({ groupId: topic, topics: [topic] })
    expect(offsets.partitions[0].offset, '2', 'the offset')
    await admin.deleteGroups([topic])
    expect(await listed(), false, 'the group in the list')
  })
}

async function deleteRecords () {
  const topic = topicOf('delete-records')
  await write(topic, numbered('', 10))
  await withAdmin(async (admin) => {
    await admin.fetchTopicOffsets(topic) // it deletes only in topics of which it has read metadata
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '4' }] })
    const [{ low, high }] = await admin.fetchTopicOffsets(topic)
    expect([low, high], ['4', '10'], 'earliest and latest')
  })
}

await drive({
  'produce-consume': produceConsume,
  headers,
  gzip: codec('gzip', CompressionTypes.GZIP),
  snappy: codec('snappy', CompressionTypes.Snappy),
  lz4: codec('lz4', CompressionTypes.LZ4),
  zstd: codec('zstd', CompressionTypes.ZSTD),
  rebalance,
  idempotence,
  transactions,
  'transactional-offsets': transactionalOffsets,
  'offsets-by-time': offsetsByTime,
  topics,
  configs,
  'groups-admin': groupsAdmin,
  'delete-records': deleteRecords
}, {
  cooperative: 'its assigners are eager',
  'static-member': 'it has no setting for an instance id'
})
