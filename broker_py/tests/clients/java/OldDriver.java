// SPDX-License-Identifier: Apache-2.0
// The matrix's driver of the clients of Kafka 0.8.1.1: producer of version 0 of the protocol, a consumer whose groups
// and offsets are in ZooKeeper, and topics made by writing to ZooKeeper.

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;
import kafka.admin.AdminUtils;
import kafka.api.PartitionOffsetRequestInfo;
import kafka.common.TopicAndPartition;
import kafka.consumer.Consumer;
import kafka.consumer.ConsumerConfig;
import kafka.consumer.ConsumerTimeoutException;
import kafka.consumer.KafkaStream;
import kafka.javaapi.OffsetRequest;
import kafka.javaapi.PartitionMetadata;
import kafka.javaapi.TopicMetadataRequest;
import kafka.javaapi.consumer.ConsumerConnector;
import kafka.javaapi.consumer.SimpleConsumer;
import kafka.javaapi.producer.Producer;
import kafka.message.MessageAndMetadata;
import kafka.producer.KeyedMessage;
import kafka.producer.ProducerConfig;
import kafka.utils.ZKStringSerializer$;
import org.I0Itec.zkclient.ZkClient;

public class OldDriver {
    private static String bootstrap;
    private static String zookeeper;
    private static String prefix;

    public static void main(String[] arguments) {
        org.apache.log4j.BasicConfigurator.configure();
        org.apache.log4j.Logger.getRootLogger().setLevel(org.apache.log4j.Level.ERROR);
        bootstrap = arguments[0];
        zookeeper = arguments[1];
        prefix = arguments[2];
        Map<String, Driving.Feature> features = new LinkedHashMap<>();
        features.put("produce-consume", OldDriver::produceConsume);
        features.put("gzip", () -> codec("gzip"));
        features.put("snappy", () -> codec("snappy"));
        features.put("rebalance", OldDriver::rebalance);
        features.put("offsets-by-time", OldDriver::offsets);
        features.put("topics", OldDriver::topics);
        Map<String, String> not = new LinkedHashMap<>();
        not.put("headers", "messages of format 0 have none");
        not.put("lz4", "since 0.8.2");
        not.put("zstd", "since 2.1");
        for (String name : new String[] {"cooperative", "static-member"})
            not.put(name, "its groups are in ZooKeeper");
        for (String name : new String[] {"idempotence", "transactions", "transactional-offsets"})
            not.put(name, "since 0.11");
        not.put("configs", "it announces a change in a form that brokers do not know since 0.9");
        not.put("groups-admin", "its groups are in ZooKeeper");
        not.put("delete-records", "since 0.11");
        Driving.drive(features, not, Arrays.copyOfRange(arguments, 3, arguments.length));
    }

    private static String topic(String feature) {
        return prefix + "." + feature;
    }

    private static void write(String servers, String topic, String codec, List<String> values) {
        Properties properties = new Properties();
        properties.put("metadata.broker.list", servers);
        properties.put("request.required.acks", "-1");
        properties.put("compression.codec", codec);
        properties.put("serializer.class", "kafka.serializer.StringEncoder");
        Producer<String, String> producer = new Producer<>(new ProducerConfig(properties));
        List<KeyedMessage<String, String>> messages = new ArrayList<>();
        for (int number = 0; number < values.size(); number++)
            messages.add(new KeyedMessage<>(topic, "key " + number % 10, values.get(number)));
        producer.send(messages);
        producer.close();
    }

    /** A consumer of one stream, read by a thread. */
    private static final class Member {
        final ConsumerConnector connector;
        final ConcurrentLinkedQueue<MessageAndMetadata<byte[], byte[]>> found = new ConcurrentLinkedQueue<>();

        Member(String topic, String group, String id) {
            Properties properties = new Properties();
            properties.put("zookeeper.connect", zookeeper);
            properties.put("group.id", group);
            properties.put("consumer.id", id);
            properties.put("auto.offset.reset", "smallest");
            properties.put("auto.commit.enable", "false");
            properties.put("rebalance.backoff.ms", "300");
            properties.put("rebalance.max.retries", "30");
            connector = Consumer.createJavaConsumerConnector(new ConsumerConfig(properties));
            KafkaStream<byte[], byte[]> stream =
                connector.createMessageStreams(Collections.singletonMap(topic, 1)).get(topic).get(0);
            Thread reader = new Thread(() -> {
                try {
                    for (MessageAndMetadata<byte[], byte[]> message : stream)
                        found.add(message);
                } catch (ConsumerTimeoutException ended) {
                    // the connector was shut down
                }
            });
            reader.setDaemon(true);
            reader.start();
        }

        List<String> values() {
            List<String> values = new ArrayList<>();
            for (MessageAndMetadata<byte[], byte[]> each : found)
                values.add(new String(each.message(), StandardCharsets.UTF_8));
            return values;
        }
    }

    private static Member read(String topic, int count) throws Exception {
        Member member = new Member(topic, topic + ".reader", "reader");
        Driving.until(() -> member.found.size() >= count, count + " records of " + topic);
        member.connector.shutdown();
        return member;
    }

    private static void produceConsume() throws Exception {
        String topic = topic("produce-consume");
        write(bootstrap.split(",")[0], topic, "none", Driving.numbered("value ", Driving.COUNT));
        Member member = read(topic, Driving.COUNT);
        Driving.expect(new TreeSet<>(member.values()), new TreeSet<>(Driving.numbered("value ", Driving.COUNT)), "values");
        int[] last = {-1, -1};
        for (MessageAndMetadata<byte[], byte[]> each : member.found) {
            int number = Integer.parseInt(new String(each.message(), StandardCharsets.UTF_8).substring(6));
            Driving.expect(number > last[each.partition()], true, "order");
            last[each.partition()] = number;
        }
    }

    private static void codec(String name) throws Exception {
        write(bootstrap, topic(name), name, Driving.codecValues(name));
        Driving.expect(read(topic(name), Driving.CODEC_COUNT).values(), Driving.codecValues(name), "values");
        Driving.expect(read("others." + name, Driving.OTHERS_COUNT).values(),
            Driving.numbered("other ", Driving.OTHERS_COUNT), "values of others");
    }

    /** Partitions by the id of the consumer that owns them. */
    private static Map<String, Set<Integer>> owners(ZkClient client, String topic) {
        Map<String, Set<Integer>> owners = new TreeMap<>();
        String path = "/consumers/" + topic + "/owners/" + topic;
        if (client.exists(path))
            for (String partition : client.getChildren(path)) {
                String owner = client.readData(path + "/" + partition, true);
                if (owner != null)
                    owners.computeIfAbsent(owner.replaceAll("^.*_|-0$", ""), ignored -> new TreeSet<>())
                        .add(Integer.parseInt(partition));
            }
        return owners;
    }

    private static void rebalance() throws Exception {
        String topic = topic("rebalance");
        ZkClient client = new ZkClient(zookeeper, 10_000, 10_000, ZKStringSerializer$.MODULE$);
        write(bootstrap, topic, "none", Driving.numbered("before ", 40));
        Member one = new Member(topic, topic, "one");
        Driving.until(() -> sizes(owners(client, topic)).equals("one4") && one.found.size() >= 40, "one to have all");
        one.connector.commitOffsets();
        Member two = new Member(topic, topic, "two");
        Driving.until(() -> sizes(owners(client, topic)).equals("one2two2"), "two members to share");
        two.connector.shutdown();
        Driving.until(() -> sizes(owners(client, topic)).equals("one4"), "the first to have all again");
        one.connector.shutdown();
        write(bootstrap, topic, "none", Driving.numbered("after ", 10));
        Member three = new Member(topic, topic, "three");
        Driving.until(() -> three.found.size() >= 10, "the records after the committed offsets");
        Driving.expect(new TreeSet<>(three.values()), new TreeSet<>(Driving.numbered("after ", 10)), "values");
        three.connector.shutdown();
        client.close();
    }

    private static String sizes(Map<String, Set<Integer>> owners) {
        StringBuilder text = new StringBuilder();
        owners.forEach((id, partitions) -> text.append(id).append(partitions.size()));
        return text.toString();
    }

    private static List<PartitionMetadata> partitions(String topic) {
        String[] server = bootstrap.split(",")[0].split(":");
        SimpleConsumer consumer = new SimpleConsumer(server[0], Integer.parseInt(server[1]), 10_000, 64 * 1024, "driver");
        try {
            return consumer.send(new TopicMetadataRequest(Collections.singletonList(topic))).topicsMetadata().get(0)
                .partitionsMetadata();
        } finally {
            consumer.close();
        }
    }

    private static void offsets() throws Exception {
        String topic = topic("offsets-by-time");
        write(bootstrap, topic, "none", Driving.numbered("", 3));
        PartitionMetadata partition = partitions(topic).get(0);
        SimpleConsumer leader =
            new SimpleConsumer(partition.leader().host(), partition.leader().port(), 10_000, 64 * 1024, "driver");
        long[] times = {kafka.api.OffsetRequest.EarliestTime(), kafka.api.OffsetRequest.LatestTime()};
        List<Long> found = new ArrayList<>();
        for (long time : times) {
            OffsetRequest request = new OffsetRequest(Collections.singletonMap(new TopicAndPartition(topic, 0),
                new PartitionOffsetRequestInfo(time, 1)), kafka.api.OffsetRequest.CurrentVersion(), "driver");
            found.add(leader.getOffsetsBefore(request).offsets(topic, 0)[0]);
        }
        leader.close();
        Driving.expect(found, Arrays.asList(0L, 3L), "earliest and latest");
    }

    private static void topics() throws Exception {
        String topic = topic("topics");
        ZkClient client = new ZkClient(zookeeper, 10_000, 10_000, ZKStringSerializer$.MODULE$);
        Properties config = new Properties();
        config.put("retention.ms", "60000");
        AdminUtils.createTopic(client, topic, 3, 2, config);
        Driving.until(() -> withLeaders(topic) == 3, "three partitions");
        Driving.expect(AdminUtils.fetchTopicConfig(client, topic), config, "the topic's settings");
        AdminUtils.addPartitions(client, topic, 5, "");
        Driving.until(() -> withLeaders(topic) == 5, "five partitions");
        AdminUtils.deleteTopic(client, topic);
        Driving.until(() -> !client.exists("/brokers/topics/" + topic), "the topic to be gone");
        client.close();
    }

    private static int withLeaders(String topic) {
        int count = 0;
        for (PartitionMetadata each : partitions(topic))
            count += each.leader() == null ? 0 : 1;
        return count;
    }
}
