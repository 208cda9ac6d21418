// SPDX-License-Identifier: Apache-2.0
// The matrix's driver of @platformatic/kafka.

import {
  Admin, Consumer, ListOffsetTimestamps, MessagesStreamModes, Producer, stringDeserializers, stringSerializers
} from '@platformatic/kafka'
import zlib from 'node:zlib'
import {
  COUNT, OTHERS_COUNT, codecValues, drive, expect, numbered, prefix, servers, shareAndResume, topicOf, until
} from './driving.mjs'

const TOPIC = 2
const BROKER = 4
const SET = 0
const ALL = -1
const base = { clientId: 'driver', bootstrapBrokers: servers }

async function using (client, run) {
  try {
    return await run(client)
  } finally {
    await client.close(true)
  }
}
const withProducer = (run, options = {}) =>
  using(new Producer({ ...base, serializers: stringSerializers, autocreateTopics: false, ...options }), run)
async function withAdmin (run) {
  const admin = new Admin(base)
  try {
    return await run(admin)
  } finally {
    await admin.close()
  }
}
const newConsumer = (options) => new Consumer({
  ...base, deserializers: stringDeserializers, sessionTimeout: 10_000, rebalanceTimeout: 10_000, heartbeatInterval: 200, ...options
})
const write = (topic, values, options) =>
  withProducer((producer) => producer.send({ acks: ALL, messages: values.map((value) => ({ topic, value })) }), options)

let readers = 0
async function read (topic, count, options = {}) {
  const consumer = newConsumer({ groupId: `${prefix}.reader${readers++}`, ...options })
  const found = []
  return using(consumer, async () => {
    const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST, autocommit: false })
    stream.on('data', (message) => found.push(message))
    stream.on('error', (error) => { console.error(error) })
    await until(() => found.length >= count, `${count} records of ${topic}`)
    await stream.close()
    return found
  })
}
const values = (messages) => messages.map((message) => message.value)

async function produceConsume () {
  const topic = topicOf('produce-consume')
  const messages = numbered('value ', COUNT).map((value, number) => ({ topic, key: `key ${number % 10}`, value }))
  await withProducer((producer) => producer.send({ messages }), { bootstrapBrokers: servers.slice(0, 1) })
  const found = await read(topic, COUNT, { bootstrapBrokers: servers.slice(-1) })
  expect(values(found).sort(), numbered('value ', COUNT).sort(), 'values')
  for (const partition of [0, 1]) {
    const order = values(found.filter((each) => each.partition === partition)).map((each) => Number(each.slice(6)))
    expect(order, [...order].sort((a, b) => a - b), 'order')
  }
}

async function headers () {
  const topic = topicOf('headers')
  await withProducer(async (producer) => {
    await producer.send({ messages: [{ topic, value: 'with', headers: { one: '1', two: '2' } }] })
    await producer.send({ messages: [{ topic, key: 'gone' }] })
  })
  const [first, second] = await read(topic, 2)
  expect([...first.headers], [['one', '1'], ['two', '2']], 'headers')
  expect([second.key, second.value ?? null], ['gone', null], 'the record without a value')
}

function codec (name) {
  return async () => {
    await write(topicOf(name), codecValues(name), { compression: name })
    expect(values(await read(topicOf(name), 50)), codecValues(name), 'values')
    expect(values(await read(`others.${name}`, OTHERS_COUNT)), numbered('other ', OTHERS_COUNT), 'values of others')
  }
}

async function member (topic, options = {}) {
  const consumer = newConsumer({ groupId: topic, ...options })
  const self = { values: [], next: new Map(), consumer }
  Object.defineProperty(self, 'owned', {
    get: () => new Set((consumer.assignments ?? []).filter((each) => each.topic === topic).flatMap((each) => each.partitions))
  })
  const stream = await consumer.consume({
    topics: [topic], mode: MessagesStreamModes.COMMITTED, fallbackMode: 'earliest', autocommit: false
  })
  stream.on('data', (message) => {
    self.values.push(message.value)
    self.next.set(message.partition, message.offset + 1n)
  })
  stream.on('error', (error) => { console.error(error) })
  self.commit = () => consumer.commit({
    offsets: [...self.next].map(([partition, offset]) => ({ topic, partition, offset, leaderEpoch: 0 }))
  })
  self.close = async () => {
    await stream.close()
    await consumer.close(true)
  }
  return self
}

async function rebalance () {
  const topic = topicOf('rebalance')
  await withProducer((producer) => shareAndResume(
    () => member(topic), (value, partition) => producer.send({ messages: [{ topic, value, partition }] })))
}

async function idempotence () {
  const topic = topicOf('idempotence')
  await write(topic, numbered('value ', COUNT), { idempotent: true })
  expect(values(await read(topic, COUNT)), numbered('value ', COUNT), 'values')
}

async function transactions () {
  const topic = topicOf('transactions')
  await withProducer(async (producer) => {
    for (const name of ['a', 'b', 'c']) {
      const transaction = await producer.beginTransaction()
      await transaction.send({ messages: numbered(name, 10).map((value) => ({ topic, value })) })
      await (name === 'b' ? transaction.abort() : transaction.commit())
    }
  }, { transactionalId: topic, idempotent: true })
  const committed = [...numbered('a', 10), ...numbered('c', 10)]
  expect(values(await read(topic, 20, { isolationLevel: 1 })).sort(), committed, 'read_committed')
  const all = values(await read(topic, 30, { isolationLevel: 0 })).sort()
  expect(all, [...committed, ...numbered('b', 10)].sort(), 'read_uncommitted')
}

async function transactionalOffsets () {
  const topic = topicOf('transactional-offsets')
  await write(topic, numbered('', 10))
  const consumer = newConsumer({ groupId: topic })
  await using(consumer, async () => {
    const found = []
    const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST, autocommit: false })
    stream.on('data', (message) => found.push(message))
    await until(() => found.length >= 10, 'ten records')
    await withProducer(async (producer) => {
      for (const at of [4, 8]) {
        const transaction = await producer.beginTransaction()
        await transaction.addConsumer(consumer)
        await transaction.addOffset(found[at])
        await (at === 8 ? transaction.abort() : transaction.commit())
      }
    }, { transactionalId: topic, idempotent: true })
    await until(async () => {
      const offsets = await consumer.listCommittedOffsets({ topics: [{ topic, partitions: [0] }] })
      return [4n, 5n].includes(offsets.get(topic)[0])
    }, "the committed transaction's offset")
    await stream.close()
  })
}

async function offsetsByTime () {
  const topic = topicOf('offsets-by-time')
  const now = BigInt(Date.now())
  await withProducer((producer) => producer.send({
    acks: ALL,
    messages: [0n, 1n, 2n].map((number) => ({ topic, value: 'x', timestamp: now + number * 1000n }))
  }))
  await withAdmin(async (admin) => {
    for (const [timestamp, offset] of [[ListOffsetTimestamps.EARLIEST, 0n], [ListOffsetTimestamps.LATEST, 3n], [now + 500n, 1n]]) {
      const [found] = await admin.listOffsets({ topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp }] }] })
      expect(found.partitions[0].offset, offset, `the offset of ${timestamp}`)
    }
  })
}

async function topics () {
  const topic = topicOf('topics')
  await withAdmin(async (admin) => {
    const partitions = async () => {
      if (!(await admin.listTopics()).includes(topic)) return 0
      const found = await admin.metadata({ topics: [topic], forceUpdate: true })
      return found.topics.get(topic).partitionsCount
    }
    await admin.createTopics({ topics: [topic], partitions: 3, replicas: 2, configs: [{ name: 'retention.ms', value: '60000' }] })
    await until(async () => (await partitions()) === 3, 'three partitions')
    await admin.createPartitions({ topics: [{ name: topic, count: 5, assignments: null }] })
    await until(async () => (await partitions()) === 5, 'five partitions')
    await admin.deleteTopics({ topics: [topic] })
    await until(async () => (await partitions()) === 0, 'the topic to be gone')
  })
}

async function configs () {
  const topic = topicOf('configs')
  await withAdmin(async (admin) => {
    const described = async (resourceType, resourceName, key) => {
      const [found] = await admin.describeConfigs({ resources: [{ resourceType, resourceName, configurationKeys: null }] })
      return found.configs.find((each) => each.name === key).value
    }
    await admin.incrementalAlterConfigs({
      resources: [{
        resourceType: TOPIC,
        resourceName: topic,
        configs: [{ name: 'max.message.bytes', configOperation: SET, value: '2000000' }]
      }]
    })
    await until(async () => (await described(TOPIC, topic, 'max.message.bytes')) === '2000000', 'the new value')
    expect(await described(BROKER, '0', 'broker.id'), '0', 'broker.id')
  })
}

async function groupsAdmin () {
  const topic = topicOf('groups-admin')
  await write(topic, ['a', 'b'])
  const self = await member(topic)
  await until(() => self.values.length === 2, 'two records')
  await self.commit()
  await withAdmin(async (admin) => {
    expect((await admin.listGroups()).has(topic), true, 'the group in the list')
    const described = (await admin.describeGroups({ groups: [topic] })).get(topic)
    expect([described.state.toUpperCase(), described.members.size], ['STABLE', 1], 'the group')
    await self.close()
    const [offsets] = await admin.listConsumerGroupOffsets({ groups: [topic] })
    expect(offsets.topics[0].partitions[0].committedOffset, 2n, 'the offset')
    await admin.deleteGroups({ groups: [topic] })
    expect((await admin.listGroups()).has(topic), false, 'the group in the list')
  })
}

async function deleteRecords () {
  const topic = topicOf('delete-records')
  await write(topic, numbered('', 10))
  await withAdmin(async (admin) => {
    const [found] = await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset: 4n }] }] })
    expect(found.partitions[0].lowWatermark, 4n, 'the low watermark')
  })
}

const features = {
  'produce-consume': produceConsume,
  headers,
  gzip: codec('gzip'),
  snappy: codec('snappy'),
  lz4: codec('lz4'),
  zstd: codec('zstd'),
  rebalance,
  idempotence,
  transactions,
  'transactional-offsets': transactionalOffsets,
  'offsets-by-time': offsetsByTime,
  topics,
  configs,
  'groups-admin': groupsAdmin,
  'delete-records': deleteRecords
}
const lacking = { cooperative: 'its assigners are eager', 'static-member': 'a member that closes leaves its group, also with an instance id' }
if (!zlib.zstdCompressSync) {
  delete features.zstd
  lacking.zstd = `it uses Node.js's own, which ${process.version} does not have (since 22.15)`
}
await drive(features, lacking)
