// SPDX-License-Identifier: Apache-2.0
// What the clients up to 2.2 do in another way, or not.

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

final class Versioned {
    static final Map<String, String> NOT_IN_CLIENT = new LinkedHashMap<>();

    static {
        NOT_IN_CLIENT.put("cooperative", "since 2.4");
        NOT_IN_CLIENT.put("static-member", "since 2.3");
    }

    private Versioned() {
    }

    static void alter(AdminClient admin, ConfigResource resource, String key, String value) throws Exception {
        Config config = new Config(Collections.singleton(new ConfigEntry(key, value)));
        admin.alterConfigs(Collections.singletonMap(resource, config)).all().get();
    }

    static int partitions(AdminClient admin, String topic) throws Exception {
        return admin.describeTopics(Collections.singleton(topic)).all().get().get(topic).partitions().size();
    }

    static OffsetAndMetadata committed(KafkaConsumer<String, String> consumer, TopicPartition partition) {
        return consumer.committed(partition);
    }

    static void sendOffsets(KafkaProducer<String, String> producer, Map<TopicPartition, OffsetAndMetadata> offsets,
                            KafkaConsumer<String, String> consumer, String group) {
        producer.sendOffsetsToTransaction(offsets, group);
    }
}
