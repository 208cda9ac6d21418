// SPDX-License-Identifier: Apache-2.0
// Encodes messages with Apache Kafka's own generated classes. Reads lines of "Class version json" on standard input,
// writes lines of "Class version hex". See write_samples.py beside this file.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

public class KafkaBytes {
    static final String[] PLACES = {
        "org.apache.kafka.common.message.%sData",
        "org.apache.kafka.common.message.%s",
        "org.apache.kafka.coordinator.group.generated.%s",
        "org.apache.kafka.coordinator.transaction.generated.%s",
    };

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        ObjectMapper json = new ObjectMapper();
        StringBuilder out = new StringBuilder();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ", 3);
            short version = Short.parseShort(words[1]);
            Message message = read(words[0], version, json.readTree(words[2]));
            ObjectSerializationCache cache = new ObjectSerializationCache();
            ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
            message.write(new ByteBufferAccessor(buffer), cache, version);
            out.append(words[0]).append(' ').append(version).append(' ');
            out.append(HexFormat.of().formatHex(buffer.array())).append('\n');
        }
        System.out.print(out);
    }

    static Message read(String name, short version, JsonNode node) throws Exception {
        for (String place : PLACES) {
            try {
                Class<?> converter = Class.forName(String.format(place, name) + "JsonConverter");
                return (Message) converter.getMethod("read", JsonNode.class, short.class).invoke(null, node, version);
            } catch (ClassNotFoundException e) {
                continue;
            }
        }
        throw new ClassNotFoundException(name);
    }
}
