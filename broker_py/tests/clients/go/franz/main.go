// SPDX-License-Identifier: Apache-2.0

// The matrix's driver of franz-go.
package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	. "commitlog/clients/driver"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

var ctx, _ = context.WithTimeout(context.Background(), 280*time.Second)

func client(options ...kgo.Opt) *kgo.Client {
	made, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(Servers...)}, options...)...)
	Check(err)
	return made
}

func write(topic string, values []string, options ...kgo.Opt) {
	producer := client(options...)
	defer producer.Close()
	send(producer, topic, values)
}

func send(producer *kgo.Client, topic string, values []string) {
	var records []*kgo.Record
	for number, value := range values {
		key := fmt.Sprintf("key %d", number%10)
		records = append(records, &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(value)})
	}
	Check(producer.ProduceSync(ctx, records...).FirstErr())
}

func read(topic string, count int, options ...kgo.Opt) []*kgo.Record {
	start := kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())
	consumer := client(append([]kgo.Opt{kgo.ConsumeTopics(topic), start}, options...)...)
	defer consumer.Close()
	var found []*kgo.Record
	for len(found) < count {
		fetches := consumer.PollFetches(ctx)
		Check(fetches.Err())
		found = append(found, fetches.Records()...)
	}
	return found
}

func values(records []*kgo.Record) []string {
	var found []string
	for _, record := range records {
		found = append(found, string(record.Value))
	}
	return found
}

func produceConsume() {
	topic := Topic("produce-consume")
	write(topic, Numbered("value ", Count), kgo.SeedBrokers(Servers[0]))
	found := read(topic, Count, kgo.SeedBrokers(Servers[len(Servers)-1]))
	Expect(Sorted(values(found)), Sorted(Numbered("value ", Count)), "values")
	last := map[int32]int{0: -1, 1: -1}
	for _, record := range found {
		var number int
		_, err := fmt.Sscanf(string(record.Value), "value %d", &number)
		Check(err)
		Expect(number > last[record.Partition], true, "order")
		last[record.Partition] = number
	}
}

func headers() {
	topic := Topic("headers")
	producer := client()
	defer producer.Close()
	sent := []kgo.RecordHeader{{Key: "one", Value: []byte("1")}, {Key: "none"}}
	Check(producer.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("with"), Headers: sent}).FirstErr())
	Check(producer.ProduceSync(ctx, &kgo.Record{Topic: topic}).FirstErr())
	found := read(topic, 2)
	Expect(found[0].Headers, sent, "headers")
	Expect(found[1].Key == nil && found[1].Value == nil, true, "the record without a value")
}

func codec(name string, codec kgo.CompressionCodec) func() {
	return func() {
		write(Topic(name), CodecValues(name), kgo.ProducerBatchCompression(codec))
		Expect(values(read(Topic(name), 50)), CodecValues(name), "values")
		Expect(values(read("others."+name, OthersCount)), Numbered("other ", OthersCount), "values of others")
	}
}

type member struct {
	client *kgo.Client
	lock   sync.Mutex
	owned  []int32
	lost   []int32
	values []string
	ended  chan struct{}
}

func startMember(topic string, options ...kgo.Opt) *member {
	self := &member{ended: make(chan struct{})}
	gone := func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
		self.lock.Lock()
		defer self.lock.Unlock()
		self.lost = append(self.lost, parts[topic]...)
		self.owned = slices.DeleteFunc(self.owned, func(each int32) bool { return slices.Contains(parts[topic], each) })
	}
	came := func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
		self.lock.Lock()
		defer self.lock.Unlock()
		self.owned = append(self.owned, parts[topic]...)
		slices.Sort(self.owned)
	}
	self.client = client(append([]kgo.Opt{
		kgo.ConsumeTopics(topic), kgo.ConsumerGroup(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(), kgo.OnPartitionsAssigned(came), kgo.OnPartitionsRevoked(gone),
		kgo.OnPartitionsLost(gone), kgo.HeartbeatInterval(200 * time.Millisecond), kgo.SessionTimeout(10 * time.Second),
	}, options...)...)
	go func() {
		defer close(self.ended)
		for {
			fetches := self.client.PollFetches(ctx)
			if fetches.IsClientClosed() || ctx.Err() != nil {
				return
			}
			self.lock.Lock()
			self.values = append(self.values, values(fetches.Records())...)
			self.lock.Unlock()
		}
	}()
	return self
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

func (self *member) Commit() { Check(self.client.CommitUncommittedOffsets(ctx)) }

func (self *member) Close() {
	self.client.Close()
	<-self.ended
}

func shared(feature string, balancer kgo.GroupBalancer) func() {
	return func() {
		topic := Topic(feature)
		producer := client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
		defer producer.Close()
		ShareAndResume(
			func() Member { return startMember(topic, kgo.Balancers(balancer)) },
			func(value string, partition int32) {
				record := &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value)}
				Check(producer.ProduceSync(ctx, record).FirstErr())
			},
			feature == "cooperative")
	}
}

func staticMember() {
	topic := Topic("static-member")
	ReturnInSession(func(instance string) Member { return startMember(topic, kgo.InstanceID(instance)) })
}

func idempotence() {
	topic := Topic("idempotence")
	write(topic, Numbered("value ", Count))
	Expect(values(read(topic, Count)), Numbered("value ", Count), "values")
}

func transactions() {
	topic := Topic("transactions")
	producer := client(kgo.TransactionalID(topic))
	defer producer.Close()
	for _, name := range []string{"a", "b", "c"} {
		Check(producer.BeginTransaction())
		send(producer, topic, Numbered(name, 10))
		Check(producer.EndTransaction(ctx, kgo.TransactionEndTry(name != "b")))
	}
	committed := append(Numbered("a", 10), Numbered("c", 10)...)
	found := values(read(topic, 20, kgo.FetchIsolationLevel(kgo.ReadCommitted())))
	Expect(Sorted(found), Sorted(committed), "read_committed")
	found = values(read(topic, 30))
	Expect(Sorted(found), Sorted(append(committed, Numbered("b", 10)...)), "read_uncommitted")
}

func transactionalOffsets() {
	topic := Topic("transactional-offsets")
	write(topic, Numbered("", 5))
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(Servers...), kgo.TransactionalID(topic), kgo.ConsumerGroup(topic), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	Check(err)
	defer session.Close()
	admin := kadm.NewClient(client())
	defer admin.Close()
	got := 0
	for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		for want := got + 5; got < want; {
			fetches := session.PollFetches(ctx)
			Check(fetches.Err())
			got += fetches.NumRecords()
		}
		Check(session.Begin())
		send(session.Client(), topic, Numbered("more ", 5))
		_, err := session.End(ctx, end)
		Check(err)
	}
	Until(func() bool {
		offsets, err := admin.FetchOffsets(ctx, topic)
		Check(err)
		found, ok := offsets.Lookup(topic, 0)
		return ok && found.At == 5
	}, "the committed transaction's offset")
}

func withAdmin(run func(admin *kadm.Client)) func() {
	return func() {
		admin := kadm.NewClient(client())
		defer admin.Close()
		run(admin)
	}
}

func offsetsByTime(admin *kadm.Client) {
	topic := Topic("offsets-by-time")
	now := time.Now().Truncate(time.Millisecond)
	producer := client()
	defer producer.Close()
	for number := range 3 {
		at := now.Add(time.Duration(number) * time.Second)
		Check(producer.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("x"), Timestamp: at}).FirstErr())
	}
	offset := func(found kadm.ListedOffsets, err error) int64 {
		Check(err)
		Check(found.Error())
		listed, _ := found.Lookup(topic, 0)
		return listed.Offset
	}
	Expect(offset(admin.ListStartOffsets(ctx, topic)), int64(0), "earliest")
	Expect(offset(admin.ListEndOffsets(ctx, topic)), int64(3), "latest")
	after := now.Add(500 * time.Millisecond).UnixMilli()
	Expect(offset(admin.ListOffsetsAfterMilli(ctx, after, topic)), int64(1), "the first not older")
	Expect(offset(admin.ListMaxTimestampOffsets(ctx, topic)), int64(2), "the newest")
}

func topics(admin *kadm.Client) {
	topic := Topic("topics")
	partitions := func() int {
		found, err := admin.ListTopics(ctx)
		Check(err)
		return len(found[topic].Partitions)
	}
	retention := "60000"
	_, err := admin.CreateTopic(ctx, 3, 2, map[string]*string{"retention.ms": &retention}, topic)
	Check(err)
	Until(func() bool { return partitions() == 3 }, "three partitions")
	grown, err := admin.UpdatePartitions(ctx, 5, topic)
	Check(err)
	Check(grown.Error())
	Until(func() bool { return partitions() == 5 }, "five partitions")
	deleted, err := admin.DeleteTopics(ctx, topic)
	Check(err)
	Check(deleted.Error())
	Until(func() bool { return partitions() == 0 }, "the topic to be gone")
}

func value(found kadm.ResourceConfigs, err error, key string) string {
	Check(err)
	for _, config := range found[0].Configs {
		if config.Key == key {
			return config.MaybeValue()
		}
	}
	return ""
}

func configs(admin *kadm.Client) {
	topic := Topic("configs")
	size := "2000000"
	set := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &size}}
	altered, err := admin.AlterTopicConfigs(ctx, set, topic)
	Check(err)
	Check(altered[0].Err)
	Until(func() bool {
		found, err := admin.DescribeTopicConfigs(ctx, topic)
		return value(found, err, "max.message.bytes") == size
	}, "the new value")
	found, err := admin.DescribeBrokerConfigs(ctx, 0)
	Expect(value(found, err, "broker.id"), "0", "broker.id")
}

func groupsAdmin(admin *kadm.Client) {
	topic := Topic("groups-admin")
	write(topic, []string{"a", "b"})
	self := startMember(topic)
	Until(func() bool { return len(self.Values()) == 2 }, "two records")
	self.Commit()
	listed := func() bool {
		found, err := admin.ListGroups(ctx)
		Check(err)
		return slices.Contains(found.Groups(), topic)
	}
	Expect(listed(), true, "the group in the list")
	described, err := admin.DescribeGroups(ctx, topic)
	Check(err)
	Expect(described[topic].State, "Stable", "the state")
	Expect(len(described[topic].Members), 1, "members")
	self.Close()
	offsets, err := admin.FetchOffsets(ctx, topic)
	Check(err)
	found, _ := offsets.Lookup(topic, 0)
	Expect(found.At, int64(2), "the offset")
	_, err = admin.DeleteGroup(ctx, topic)
	Check(err)
	Expect(listed(), false, "the group in the list")
}

func deleteRecords(admin *kadm.Client) {
	topic := Topic("delete-records")
	write(topic, Numbered("", 10))
	var until kadm.Offsets
	until.AddOffset(topic, 0, 4, -1)
	deleted, err := admin.DeleteRecords(ctx, until)
	Check(err)
	found, _ := deleted.Lookup(topic, 0)
	Check(found.Err)
	Expect(found.LowWatermark, int64(4), "the low watermark")
}

func main() {
	Drive([]Feature{
		{"produce-consume", produceConsume},
		{"headers", headers},
		{"gzip", codec("gzip", kgo.GzipCompression())},
		{"snappy", codec("snappy", kgo.SnappyCompression())},
		{"lz4", codec("lz4", kgo.Lz4Compression())},
		{"zstd", codec("zstd", kgo.ZstdCompression())},
		{"rebalance", shared("rebalance", kgo.RangeBalancer())},
		{"cooperative", shared("cooperative", kgo.CooperativeStickyBalancer())},
		{"static-member", staticMember},
		{"idempotence", idempotence},
		{"transactions", transactions},
		{"transactional-offsets", transactionalOffsets},
		{"offsets-by-time", withAdmin(offsetsByTime)},
		{"topics", withAdmin(topics)},
		{"configs", withAdmin(configs)},
		{"groups-admin", withAdmin(groupsAdmin)},
		{"delete-records", withAdmin(deleteRecords)},
	}, nil)
}
