// SPDX-License-Identifier: Apache-2.0

// The matrix's driver of sarama.
package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	. "commitlog/clients/driver"

	"github.com/IBM/sarama"
)

func config() *sarama.Config {
	made := sarama.NewConfig()
	made.Version = sarama.MaxVersion
	made.Producer.Return.Successes = true
	made.Producer.RequiredAcks = sarama.WaitForAll
	made.Consumer.Offsets.Initial = sarama.OffsetOldest
	made.Consumer.Offsets.AutoCommit.Enable = false
	made.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	made.Consumer.Group.Session.Timeout = 10 * time.Second
	return made
}

func producer(servers []string, config *sarama.Config) sarama.SyncProducer {
	made, err := sarama.NewSyncProducer(servers, config)
	Check(err)
	return made
}

func write(topic string, values []string, config *sarama.Config) {
	source := producer(Servers, config)
	defer source.Close()
	send(source, topic, values)
}

func send(source sarama.SyncProducer, topic string, values []string) {
	var messages []*sarama.ProducerMessage
	for number, value := range values {
		key := sarama.StringEncoder(fmt.Sprintf("key %d", number%10))
		messages = append(messages, &sarama.ProducerMessage{Topic: topic, Key: key, Value: sarama.StringEncoder(value)})
	}
	Check(source.SendMessages(messages))
}

func readFrom(servers []string, topic string, count int, config *sarama.Config) []*sarama.ConsumerMessage {
	consumer, err := sarama.NewConsumer(servers, config)
	Check(err)
	defer consumer.Close()
	partitions, err := consumer.Partitions(topic)
	Check(err)
	messages := make(chan *sarama.ConsumerMessage, count)
	for _, partition := range partitions {
		reader, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
		Check(err)
		defer reader.Close()
		go func() {
			for message := range reader.Messages() {
				messages <- message
			}
		}()
	}
	var found []*sarama.ConsumerMessage
	for end := time.After(Deadline); len(found) < count; {
		select {
		case message := <-messages:
			found = append(found, message)
		case <-end:
			panic(fmt.Sprintf("waited for %d records of %s", count, topic))
		}
	}
	return found
}

func read(topic string, count int, config *sarama.Config) []*sarama.ConsumerMessage {
	return readFrom(Servers, topic, count, config)
}

func values(messages []*sarama.ConsumerMessage) []string {
	var found []string
	for _, message := range messages {
		found = append(found, string(message.Value))
	}
	return found
}

func produceConsume() {
	topic := Topic("produce-consume")
	source := producer(Servers[:1], config())
	defer source.Close()
	send(source, topic, Numbered("value ", Count))
	found := readFrom(Servers[1:], topic, Count, config())
	Expect(Sorted(values(found)), Sorted(Numbered("value ", Count)), "values")
	last := map[int32]int{0: -1, 1: -1}
	for _, message := range found {
		var number int
		_, err := fmt.Sscanf(string(message.Value), "value %d", &number)
		Check(err)
		Expect(number > last[message.Partition], true, "order")
		last[message.Partition] = number
	}
}

func headers() {
	topic := Topic("headers")
	source := producer(Servers, config())
	defer source.Close()
	sent := []sarama.RecordHeader{{Key: []byte("one"), Value: []byte("1")}, {Key: []byte("none")}}
	Check(source.SendMessages([]*sarama.ProducerMessage{
		{Topic: topic, Value: sarama.StringEncoder("with"), Headers: sent},
		{Topic: topic},
	}))
	found := read(topic, 2, config())
	Expect(len(found[0].Headers), 2, "headers")
	Expect(*found[0].Headers[0], sent[0], "header")
	Expect(*found[0].Headers[1], sent[1], "header")
	Expect(len(found[1].Key)+len(found[1].Value), 0, "the record without a value")
}

func codec(name string, codec sarama.CompressionCodec) func() {
	return func() {
		compressing := config()
		compressing.Producer.Compression = codec
		write(Topic(name), CodecValues(name), compressing)
		Expect(values(read(Topic(name), 50, config())), CodecValues(name), "values")
		Expect(values(read("others."+name, OthersCount, config())), Numbered("other ", OthersCount), "values of others")
	}
}

type member struct {
	topic   string
	group   sarama.ConsumerGroup
	cancel  context.CancelFunc
	ended   chan struct{}
	lock    sync.Mutex
	session sarama.ConsumerGroupSession
	owned   []int32
	lost    []int32
	values  []string
	next    map[int32]int64
}

func startMember(topic string, config *sarama.Config) *member {
	group, err := sarama.NewConsumerGroup(Servers, topic, config)
	Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	self := &member{topic: topic, group: group, cancel: cancel, ended: make(chan struct{}), next: map[int32]int64{}}
	go func() {
		defer close(self.ended)
		for ctx.Err() == nil {
			if err := group.Consume(ctx, []string{topic}, self); err != nil {
				return
			}
		}
	}()
	return self
}

func (self *member) Setup(session sarama.ConsumerGroupSession) error {
	self.lock.Lock()
	defer self.lock.Unlock()
	self.session = session
	return nil
}

func (self *member) Cleanup(session sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim runs for as long as the partition is the member's; a cooperative session outlives its claims.
func (self *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	self.lock.Lock()
	self.owned = append(self.owned, claim.Partition())
	slices.Sort(self.owned)
	self.lock.Unlock()
	defer func() {
		self.lock.Lock()
		defer self.lock.Unlock()
		self.owned = slices.DeleteFunc(self.owned, func(each int32) bool { return each == claim.Partition() })
		self.lost = append(self.lost, claim.Partition())
	}()
	for {
		select {
		case message, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			self.lock.Lock()
			self.values = append(self.values, string(message.Value))
			self.lock.Unlock()
			session.MarkMessage(message, "")
		case <-session.Context().Done():
			return nil
		}
	}
}

func (self *member) Owned() []int32 {
	self.lock.Lock()
	defer self.lock.Unlock()
	return slices.Clone(self.owned)
}

func (self *member) Lost() []int32 {
	self.lock.Lock()
	defer self.lock.Unlock()
	return slices.Clone(self.lost)
}

func (self *member) Forget() {
	self.lock.Lock()
	defer self.lock.Unlock()
	self.lost = nil
}

func (self *member) Values() []string {
	self.lock.Lock()
	defer self.lock.Unlock()
	return slices.Clone(self.values)
}

func (self *member) Commit() { self.session.Commit() }

func (self *member) Close() {
	self.cancel()
	<-self.ended
	Check(self.group.Close())
}

func rebalance() {
	share("rebalance", sarama.NewBalanceStrategyRange, false)
}

func cooperative() {
	share("cooperative", sarama.NewBalanceStrategyCooperativeSticky, true)
}

func share(feature string, strategy func() sarama.BalanceStrategy, cooperative bool) {
	topic := Topic(feature)
	manual := config()
	manual.Producer.Partitioner = sarama.NewManualPartitioner
	source := producer(Servers, manual)
	defer source.Close()
	ShareAndResume(
		func() Member {
			ofMember := config()
			ofMember.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy()}
			return startMember(topic, ofMember)
		},
		func(value string, partition int32) {
			_, _, err := source.SendMessage(
				&sarama.ProducerMessage{Topic: topic, Partition: partition, Value: sarama.StringEncoder(value)})
			Check(err)
		}, cooperative)
}

func idempotent() *sarama.Config {
	made := config()
	made.Producer.Idempotent = true
	made.Net.MaxOpenRequests = 1
	return made
}

func idempotence() {
	topic := Topic("idempotence")
	write(topic, Numbered("value ", Count), idempotent())
	Expect(values(read(topic, Count, config())), Numbered("value ", Count), "values")
}

func transactional(id string) sarama.SyncProducer {
	made := idempotent()
	made.Producer.Transaction.ID = id
	return producer(Servers, made)
}

func end(source sarama.SyncProducer, commit bool) {
	if commit {
		Check(source.CommitTxn())
	} else {
		Check(source.AbortTxn())
	}
}

func transactions() {
	topic := Topic("transactions")
	source := transactional(topic)
	defer source.Close()
	for _, name := range []string{"a", "b", "c"} {
		Check(source.BeginTxn())
		send(source, topic, Numbered(name, 10))
		end(source, name != "b")
	}
	committed := append(Numbered("a", 10), Numbered("c", 10)...)
	reading := config()
	reading.Consumer.IsolationLevel = sarama.ReadCommitted
	Expect(Sorted(values(read(topic, 20, reading))), Sorted(committed), "read_committed")
	found := values(read(topic, 30, config()))
	Expect(Sorted(found), Sorted(append(committed, Numbered("b", 10)...)), "read_uncommitted")
}

func committed(group, topic string) int64 {
	admin, err := sarama.NewClusterAdmin(Servers, config())
	Check(err)
	defer admin.Close()
	found, err := admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {0}})
	Check(err)
	return found.GetBlock(topic, 0).Offset
}

func transactionalOffsets() {
	topic := Topic("transactional-offsets")
	source := transactional(topic)
	defer source.Close()
	for _, offset := range []int64{5, 9} {
		Check(source.BeginTxn())
		send(source, topic, Numbered("until ", 1))
		offsets := map[string][]*sarama.PartitionOffsetMetadata{topic: {{Partition: 0, Offset: offset}}}
		Check(source.AddOffsetsToTxn(offsets, topic))
		end(source, offset == 5)
	}
	Until(func() bool { return committed(topic, topic) == 5 }, "the committed transaction's offset")
}

func offsetsByTime() {
	topic := Topic("offsets-by-time")
	now := time.Now()
	source := producer(Servers, config())
	defer source.Close()
	for number := range 3 {
		_, _, err := source.SendMessage(&sarama.ProducerMessage{
			Topic: topic, Value: sarama.StringEncoder("x"), Timestamp: now.Add(time.Duration(number) * time.Second)})
		Check(err)
	}
	client, err := sarama.NewClient(Servers, config())
	Check(err)
	defer client.Close()
	wanted := map[int64]int64{sarama.OffsetOldest: 0, sarama.OffsetNewest: 3, now.UnixMilli() + 500: 1}
	for timestamp, offset := range wanted {
		found, err := client.GetOffset(topic, 0, timestamp)
		Check(err)
		Expect(found, offset, fmt.Sprintf("the offset of %d", timestamp))
	}
}

func withAdmin(run func(admin sarama.ClusterAdmin)) func() {
	return func() {
		admin, err := sarama.NewClusterAdmin(Servers, config())
		Check(err)
		defer admin.Close()
		run(admin)
	}
}

func topics(admin sarama.ClusterAdmin) {
	topic := Topic("topics")
	partitions := func() int32 {
		found, err := admin.ListTopics()
		Check(err)
		return found[topic].NumPartitions
	}
	retention := "60000"
	detail := sarama.TopicDetail{
		NumPartitions: 3, ReplicationFactor: 2, ConfigEntries: map[string]*string{"retention.ms": &retention}}
	Check(admin.CreateTopic(topic, &detail, false))
	Until(func() bool { return partitions() == 3 }, "three partitions")
	Check(admin.CreatePartitions(topic, 5, nil, false))
	Until(func() bool { return partitions() == 5 }, "five partitions")
	Check(admin.DeleteTopic(topic))
	Until(func() bool { return partitions() == 0 }, "the topic to be gone")
}

func configs(admin sarama.ClusterAdmin) {
	topic := Topic("configs")
	described := func(kind sarama.ConfigResourceType, name, key string) string {
		found, err := admin.DescribeConfig(sarama.ConfigResource{Type: kind, Name: name, ConfigNames: []string{key}})
		Check(err)
		return found[0].Value
	}
	size := "2000000"
	set := map[string]sarama.IncrementalAlterConfigsEntry{
		"max.message.bytes": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &size}}
	Check(admin.IncrementalAlterConfig(sarama.TopicResource, topic, set, false))
	Until(func() bool { return described(sarama.TopicResource, topic, "max.message.bytes") == size }, "the new value")
	Expect(described(sarama.BrokerResource, "0", "broker.id"), "0", "broker.id")
}

func groupsAdmin(admin sarama.ClusterAdmin) {
	topic := Topic("groups-admin")
	write(topic, []string{"a", "b"}, config())
	self := startMember(topic, config())
	Until(func() bool { return len(self.Values()) == 2 }, "two records")
	self.Commit()
	listed := func() bool {
		found, err := admin.ListConsumerGroups()
		Check(err)
		_, here := found[topic]
		return here
	}
	Expect(listed(), true, "the group in the list")
	described, err := admin.DescribeConsumerGroups([]string{topic})
	Check(err)
	Expect(described[0].State, "Stable", "the state")
	Expect(len(described[0].Members), 1, "members")
	self.Close()
	Expect(committed(topic, topic), int64(2), "the offset")
	Check(admin.DeleteConsumerGroup(topic))
	Expect(listed(), false, "the group in the list")
}

func deleteRecords(admin sarama.ClusterAdmin) {
	topic := Topic("delete-records")
	write(topic, Numbered("", 10), config())
	Check(admin.DeleteRecords(topic, map[int32]int64{0: 4}))
	client, err := sarama.NewClient(Servers, config())
	Check(err)
	defer client.Close()
	oldest, err := client.GetOffset(topic, 0, sarama.OffsetOldest)
	Check(err)
	Expect(oldest, int64(4), "earliest")
}

func main() {
	Drive([]Feature{
		{"produce-consume", produceConsume},
		{"headers", headers},
		{"gzip", codec("gzip", sarama.CompressionGZIP)},
		{"snappy", codec("snappy", sarama.CompressionSnappy)},
		{"lz4", codec("lz4", sarama.CompressionLZ4)},
		{"zstd", codec("zstd", sarama.CompressionZSTD)},
		{"rebalance", rebalance},
		{"cooperative", cooperative},
		{"static-member", staticMember},
		{"idempotence", idempotence},
		{"transactions", transactions},
		{"transactional-offsets", transactionalOffsets},
		{"offsets-by-time", offsetsByTime},
		{"topics", withAdmin(topics)},
		{"configs", withAdmin(configs)},
		{"groups-admin", withAdmin(groupsAdmin)},
		{"delete-records", withAdmin(deleteRecords)},
	}, nil)
}

func staticMember() {
	topic := Topic("static-member")
	ReturnInSession(func(instance string) Member {
		static := config()
		static.Consumer.Group.InstanceId = instance
		return startMember(topic, static)
	})
}
