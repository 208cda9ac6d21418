// SPDX-License-Identifier: Apache-2.0
// The matrix's driver of Apache Kafka's Java clients since 2.1. What differs between their versions is in
// Versioned.java, of which until-2.2 and since-2.4 have one each.

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class Driver {
    private static final Duration SHORTLY = Duration.ofMillis(50);
    private static String bootstrap;
    private static String prefix;

    public static void main(String[] arguments) {
        bootstrap = arguments[0];
        prefix = arguments[2];
        Map<String, Driving.Feature> features = new LinkedHashMap<>();
        features.put("produce-consume", Driver::produceConsume);
        features.put("headers", Driver::headers);
        for (String codec : new String[] {"gzip", "snappy", "lz4", "zstd"})
            features.put(codec, () -> codec(codec));
        features.put("rebalance", () -> shared("rebalance", Collections.emptyMap()));
        features.put("cooperative", () -> shared("cooperative", Collections.singletonMap(
            "partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor")));
        features.put("static-member", Driver::staticMember);
        features.put("idempotence", Driver::idempotence);
        features.put("transactions", Driver::transactions);
        features.put("transactional-offsets", Driver::transactionalOffsets);
        features.put("offsets-by-time", Driver::offsetsByTime);
        features.put("topics", Driver::topics);
        features.put("configs", Driver::configs);
        features.put("groups-admin", Driver::groupsAdmin);
        features.put("delete-records", Driver::deleteRecords);
        features.keySet().removeAll(Versioned.NOT_IN_CLIENT.keySet());
        Driving.drive(features, Versioned.NOT_IN_CLIENT, Arrays.copyOfRange(arguments, 3, arguments.length));
    }

    private static String topic(String feature) {
        return prefix + "." + feature;
    }

    private static Map<String, Object> settings(Object... pairs) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        for (int at = 0; at < pairs.length; at += 2)
            settings.put((String) pairs[at], pairs[at + 1]);
        return settings;
    }

    private static KafkaProducer<String, String> producer(Object... pairs) {
        Map<String, Object> settings = settings("acks", "all");
        settings.putAll(settings(pairs));
        return new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
    }

    private static KafkaConsumer<String, String> consumer(Map<String, Object> more) {
        Map<String, Object> settings = settings("auto.offset.reset", "earliest", "enable.auto.commit", false,
            "session.timeout.ms", 10_000, "heartbeat.interval.ms", 200);
        settings.putAll(more);
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    private static AdminClient admin() {
        return AdminClient.create(settings());
    }

    private static <T> T done(Future<T> future) throws Exception {
        return future.get(Driving.DEADLINE_MS, TimeUnit.MILLISECONDS);
    }

    private static void write(KafkaProducer<String, String> producer, String topic, List<String> values)
        throws Exception {
        List<Future<?>> sent = new ArrayList<>();
        for (String value : values)
            sent.add(producer.send(new ProducerRecord<>(topic, null, value)));
        producer.flush();
        for (Future<?> each : sent)
            done(each);
    }

    private static List<ConsumerRecord<String, String>> read(String topic, int count, Object... pairs)
        throws Exception {
        List<ConsumerRecord<String, String>> found = new ArrayList<>();
        try (KafkaConsumer<String, String> consumer = consumer(settings(pairs))) {
            List<TopicPartition> partitions = new ArrayList<>();
            for (PartitionInfo each : consumer.partitionsFor(topic))
                partitions.add(new TopicPartition(topic, each.partition()));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Driving.until(() -> {
                consumer.poll(SHORTLY).forEach(found::add);
                return found.size() >= count;
            }, count + " records of " + topic);
        }
        return found;
    }

    private static List<String> values(List<ConsumerRecord<String, String>> records) {
        List<String> values = new ArrayList<>();
        records.forEach(record -> values.add(record.value()));
        return values;
    }

    private static void produceConsume() throws Exception {
        String topic = topic("produce-consume");
        String[] servers = bootstrap.split(",");
        try (KafkaProducer<String, String> producer = producer("bootstrap.servers", servers[0])) {
            for (int number = 0; number < Driving.COUNT; number++)
                producer.send(new ProducerRecord<>(topic, "key " + number % 10, "value " + number));
            producer.flush();
        }
        List<ConsumerRecord<String, String>> found =
            read(topic, Driving.COUNT, "bootstrap.servers", servers[servers.length - 1]);
        Driving.expect(new TreeSet<>(values(found)), new TreeSet<>(Driving.numbered("value ", Driving.COUNT)), "values");
        int[] last = {-1, -1};
        for (ConsumerRecord<String, String> record : found) {
            int number = Integer.parseInt(record.value().split(" ")[1]);
            Driving.expect(number > last[record.partition()], true, "order");
            last[record.partition()] = number;
        }
    }

    private static void headers() throws Exception {
        String topic = topic("headers");
        try (KafkaProducer<String, String> producer = producer()) {
            ProducerRecord<String, String> record = new ProducerRecord<>(topic, "with");
            record.headers().add("one", "1".getBytes(StandardCharsets.UTF_8)).add("none", null);
            done(producer.send(record));
            done(producer.send(new ProducerRecord<>(topic, null, null)));
        }
        List<ConsumerRecord<String, String>> found = read(topic, 2);
        Header[] headers = found.get(0).headers().toArray();
        Driving.expect(headers.length, 2, "headers");
        Driving.expect(headers[0].key() + new String(headers[0].value(), StandardCharsets.UTF_8), "one1", "header");
        Driving.expect(headers[1].key() + headers[1].value(), "nonenull", "header");
        Driving.expect(found.get(1).key(), null, "key");
        Driving.expect(found.get(1).value(), null, "value");
    }

    private static void codec(String name) throws Exception {
        List<String> values = Driving.codecValues(name);
        try (KafkaProducer<String, String> producer = producer("compression.type", name, "linger.ms", 50)) {
            write(producer, topic(name), values);
        }
        Driving.expect(values(read(topic(name), values.size())), values, "values");
        Driving.expect(values(read("others." + name, Driving.OTHERS_COUNT)),
            Driving.numbered("other ", Driving.OTHERS_COUNT), "values of others");
    }

    /** A member of a group, which is polled only by owned(). */
    private static final class Member implements ConsumerRebalanceListener {
        final KafkaConsumer<String, String> consumer;
        final List<String> values = new ArrayList<>();
        final Set<Integer> lost = new HashSet<>();

        Member(String topic, Map<String, Object> more) {
            Map<String, Object> settings = settings("group.id", topic);
            settings.putAll(more);
            consumer = consumer(settings);
            consumer.subscribe(Collections.singleton(topic), this);
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            partitions.forEach(each -> lost.add(each.partition()));
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        }

        Set<Integer> owned() {
            consumer.poll(SHORTLY).forEach(record -> values.add(record.value()));
            Set<Integer> owned = new TreeSet<>();
            consumer.assignment().forEach(each -> owned.add(each.partition()));
            return owned;
        }
    }

    /** Whether each has two of the four partitions. Both are polled, since they join while they are. */
    private static boolean share(Member one, Member two) {
        Set<Integer> first = one.owned();
        Set<Integer> second = two.owned();
        return first.size() == 2 && second.size() == 2 && Collections.disjoint(first, second);
    }

    private static void shared(String feature, Map<String, Object> more) throws Exception {
        String topic = topic(feature);
        Set<Integer> all = new TreeSet<>(Arrays.asList(0, 1, 2, 3));
        try (KafkaProducer<String, String> producer = producer()) {
            for (int number = 0; number < 40; number++)
                done(producer.send(new ProducerRecord<>(topic, number % 4, null, "before " + number)));
            Member one = new Member(topic, more);
            Driving.until(() -> one.owned().equals(all) && one.values.size() >= 40, "one member to have all");
            one.consumer.commitSync();
            one.lost.clear();
            Member two = new Member(topic, more);
            Driving.until(() -> share(one, two), "two members to share");
            if (feature.equals("cooperative"))
                Driving.expect(one.lost.size(), 2, "partitions that the first member lost");
            two.consumer.close();
            Driving.until(() -> one.owned().equals(all), "the first to have all again");
            one.consumer.close();
            for (int number = 0; number < 4; number++)
                done(producer.send(new ProducerRecord<>(topic, number, null, "after " + number)));
            Member three = new Member(topic, more);
            Driving.until(() -> !three.owned().isEmpty() && three.values.size() >= 4, "what follows the offsets");
            Driving.expect(new TreeSet<>(three.values), new TreeSet<>(Driving.numbered("after ", 4)), "values");
            three.consumer.close();
        }
    }

    private static void staticMember() throws Exception {
        String topic = topic("static-member");
        Member one = new Member(topic, Collections.singletonMap("group.instance.id", "one"));
        Member first = new Member(topic, Collections.singletonMap("group.instance.id", "two"));
        Driving.until(() -> share(one, first), "two members to share");
        Set<Integer> before = first.owned();
        first.consumer.close();
        one.lost.clear();
        Member again = new Member(topic, Collections.singletonMap("group.instance.id", "two"));
        Driving.until(() -> {
            one.owned();
            return again.owned().equals(before);
        }, "the second to have its own again");
        Driving.expect(one.lost, Collections.emptySet(), "partitions that the first lost");
        one.consumer.close();
        again.consumer.close();
    }

    private static void idempotence() throws Exception {
        String topic = topic("idempotence");
        List<String> values = Driving.numbered("value ", Driving.COUNT);
        try (KafkaProducer<String, String> producer = producer("enable.idempotence", true)) {
            write(producer, topic, values);
        }
        Driving.expect(values(read(topic, Driving.COUNT)), values, "values");
    }

    private static void end(KafkaProducer<String, String> producer, boolean commit) {
        if (commit)
            producer.commitTransaction();
        else
            producer.abortTransaction();
    }

    private static void transactions() throws Exception {
        String topic = topic("transactions");
        try (KafkaProducer<String, String> producer = producer("transactional.id", topic)) {
            producer.initTransactions();
            for (String name : new String[] {"a", "b", "c"}) {
                producer.beginTransaction();
                write(producer, topic, Driving.numbered(name, 10));
                end(producer, !name.equals("b"));
            }
        }
        Set<String> wanted = new TreeSet<>(Driving.numbered("a", 10));
        wanted.addAll(Driving.numbered("c", 10));
        Driving.expect(new TreeSet<>(values(read(topic, 20, "isolation.level", "read_committed"))), wanted, "committed");
        wanted.addAll(Driving.numbered("b", 10));
        Driving.expect(new TreeSet<>(values(read(topic, 30))), wanted, "uncommitted");
    }

    private static void transactionalOffsets() throws Exception {
        String topic = topic("transactional-offsets");
        TopicPartition partition = new TopicPartition(topic, 0);
        Member member = new Member(topic, Collections.emptyMap());
        Driving.until(() -> !member.owned().isEmpty(), "an assignment");
        try (KafkaProducer<String, String> producer = producer("transactional.id", topic)) {
            producer.initTransactions();
            for (long offset : new long[] {5, 9}) {
                producer.beginTransaction();
                write(producer, topic, Driving.numbered("until " + offset + " ", 1));
                Versioned.sendOffsets(producer, Collections.singletonMap(partition, new OffsetAndMetadata(offset)),
                    member.consumer, topic);
                end(producer, offset == 5);
            }
        }
        Driving.until(() -> {
            OffsetAndMetadata committed = Versioned.committed(member.consumer, partition);
            return committed != null && committed.offset() == 5;
        }, "the committed transaction's offset");
        member.consumer.close();
    }

    private static void offsetsByTime() throws Exception {
        String topic = topic("offsets-by-time");
        TopicPartition partition = new TopicPartition(topic, 0);
        long now = System.currentTimeMillis();
        try (KafkaProducer<String, String> producer = producer()) {
            for (int number = 0; number < 3; number++)
                done(producer.send(new ProducerRecord<>(topic, 0, now + number * 1000, null, "x")));
        }
        try (KafkaConsumer<String, String> consumer = consumer(Collections.emptyMap())) {
            Set<TopicPartition> asked = Collections.singleton(partition);
            Driving.expect(consumer.beginningOffsets(asked).get(partition), 0L, "earliest");
            Driving.expect(consumer.endOffsets(asked).get(partition), 3L, "latest");
            Driving.expect(consumer.offsetsForTimes(Collections.singletonMap(partition, now + 500)).get(partition)
                .offset(), 1L, "the first not older");
        }
    }

    private static void topics() throws Exception {
        String topic = topic("topics");
        try (AdminClient admin = admin()) {
            NewTopic created = new NewTopic(topic, 3, (short) 2).configs(Collections.singletonMap("retention.ms", "60000"));
            done(admin.createTopics(Collections.singleton(created)).all());
            Driving.until(() -> Versioned.partitions(admin, topic) == 3, "three partitions");
            done(admin.createPartitions(Collections.singletonMap(topic, NewPartitions.increaseTo(5))).all());
            Driving.until(() -> Versioned.partitions(admin, topic) == 5, "five partitions");
            done(admin.deleteTopics(Collections.singleton(topic)).all());
            Driving.until(() -> !done(admin.listTopics().names()).contains(topic), "the topic to be gone");
        }
    }

    private static void configs() throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, topic("configs"));
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "0");
        try (AdminClient admin = admin()) {
            Versioned.alter(admin, topic, "max.message.bytes", "2000000");
            Driving.until(() -> done(admin.describeConfigs(Collections.singleton(topic)).all()).get(topic)
                .get("max.message.bytes").value().equals("2000000"), "the new value");
            Driving.expect(done(admin.describeConfigs(Collections.singleton(broker)).all()).get(broker)
                .get("broker.id").value(), "0", "broker.id");
        }
    }

    private static boolean isListed(AdminClient admin, String group) throws Exception {
        return done(admin.listConsumerGroups().all()).stream().anyMatch(each -> each.groupId().equals(group));
    }

    private static void groupsAdmin() throws Exception {
        String topic = topic("groups-admin");
        try (KafkaProducer<String, String> producer = producer(); AdminClient admin = admin()) {
            write(producer, topic, Driving.numbered("", 2));
            Member member = new Member(topic, Collections.emptyMap());
            Driving.until(() -> !member.owned().isEmpty() && member.values.size() == 2, "two records");
            member.consumer.commitSync();
            Driving.expect(isListed(admin, topic), true, "the group in the list");
            ConsumerGroupDescription described =
                done(admin.describeConsumerGroups(Collections.singleton(topic)).all()).get(topic);
            Driving.expect(described.state() + " " + described.members().size(), "Stable 1", "the group");
            member.consumer.close();
            Map<TopicPartition, OffsetAndMetadata> offsets =
                done(admin.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata());
            Driving.expect(offsets.get(new TopicPartition(topic, 0)).offset(), 2L, "the offset");
            done(admin.deleteConsumerGroups(Collections.singleton(topic)).all());
            Driving.expect(isListed(admin, topic), false, "the group in the list");
        }
    }

    private static void deleteRecords() throws Exception {
        String topic = topic("delete-records");
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaProducer<String, String> producer = producer(); AdminClient admin = admin()) {
            write(producer, topic, Driving.numbered("", 10));
            long low = done(admin.deleteRecords(Collections.singletonMap(partition, RecordsToDelete.beforeOffset(4)))
                .lowWatermarks().get(partition)).lowWatermark();
            Driving.expect(low, 4L, "the low watermark");
        }
        try (KafkaConsumer<String, String> consumer = consumer(Collections.emptyMap())) {
            Driving.expect(consumer.beginningOffsets(Collections.singleton(partition)).get(partition), 4L, "earliest");
        }
    }
}
