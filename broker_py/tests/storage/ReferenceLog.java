// SPDX-License-Identifier: Apache-2.0
// Apache Kafka's own log, driven by a script on standard input, as the reference for commitlog.storage.
// Usage: java -cp 'libs/*' ReferenceLog.java <partition directory> <clean|unclean> <recovery point> [topic config]...
// Commands: append <epoch> <CLIENT|COORDINATOR> <hex>, follow <epoch> <hex>, hw <offset>, truncate <offset>, restart <offset>,
// roll, retain, start <offset>, clean <first dirty> <now>, close, flush. Each answers one line.

import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import kafka.log.Cleaner;
import kafka.log.LogToClean;
import kafka.log.UnifiedLog;
import kafka.server.BrokerTopicStats;
import kafka.server.RequestLocal;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.common.utils.Timer;
import org.apache.kafka.server.common.MetadataVersion;
import org.apache.kafka.server.util.KafkaScheduler;
import org.apache.kafka.storage.internals.log.AppendOrigin;
import org.apache.kafka.storage.internals.log.LogAppendInfo;
import org.apache.kafka.storage.internals.log.LogConfig;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.LogOffsetsListener;
import org.apache.kafka.storage.internals.log.LogStartOffsetIncrementReason;
import org.apache.kafka.storage.internals.log.ProducerStateManagerConfig;
import org.apache.kafka.storage.internals.log.SkimpyOffsetMap;
import org.apache.kafka.storage.internals.log.VerificationGuard;
import org.apache.kafka.storage.internals.utils.Throttler;
import scala.runtime.BoxedUnit;

public class ReferenceLog {
    static final long NOW_MS = 1_700_000_000_000L;

    static class FixedTime implements Time {
        public long milliseconds() { return NOW_MS; }
        public long nanoseconds() { return NOW_MS * 1_000_000L; }
        public long hiResClockMs() { return NOW_MS; }
        public void sleep(long ms) { }
        public void waitObject(Object lock, Supplier<Boolean> condition, long deadline) { }
        public Timer timer(long timeoutMs) { throw new UnsupportedOperationException(); }
    }

    public static void main(String[] args) throws Exception {
        Properties config = new Properties();
        config.put("file.delete.delay.ms", "3600000");
        for (int i = 3; i < args.length; i++) {
            String[] pair = args[i].split("=", 2);
            config.put(pair[0], pair[1]);
        }
        KafkaScheduler scheduler = new KafkaScheduler(1);
        scheduler.startup();
        File directory = new File(args[0]);
        directory.mkdirs();
        UnifiedLog log = UnifiedLog.apply(directory, new LogConfig(config), 0L, Long.parseLong(args[2]), scheduler,
            new BrokerTopicStats(false), new FixedTime(), 900_000, new ProducerStateManagerConfig(86_400_000, false),
            600_000, new LogDirFailureChannel(1), args[1].equals("clean"), scala.Option.empty(), true,
            new ConcurrentHashMap<>(), false, LogOffsetsListener.NO_OP_OFFSETS_LISTENER);
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String answer;
            try {
                answer = run(log, line.split(" "));
            } catch (Exception e) {
                answer = "error " + e.getClass().getSimpleName();
            }
            System.out.println(answer);
        }
        System.out.println(String.format("log %d %d hw %d lso %d producers %d segments %d", log.logStartOffset(),
            log.logEndOffset(), log.highWatermark(), log.lastStableOffset(), log.producerIdCount(),
            log.logSegments().size()));
        scheduler.shutdown();
    }

    static String clean(UnifiedLog log, long firstDirty, long now) throws Exception {
        Time time = new FixedTime() {
            @Override
            public long milliseconds() { return now; }
        };
        scala.Function1<TopicPartition, BoxedUnit> goOn = partition -> BoxedUnit.UNIT;
        Cleaner cleaner = new Cleaner(0, new SkimpyOffsetMap(1 << 20), 1 << 16, 1 << 20, 0.9,
            new Throttler(Double.MAX_VALUE, 300, "cleaner", "bytes", time), time, goOn);
        LogToClean work = new LogToClean(log.topicPartition(), log, firstDirty,
            Math.min(log.lastStableOffset(), log.activeSegment().baseOffset()), false);
        return String.valueOf(cleaner.doClean(work, now)._1());
    }

    static String run(UnifiedLog log, String[] words) throws Exception {
        switch (words[0]) {
            case "append": {
                MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(HexFormat.of().parseHex(words[3])));
                LogAppendInfo info = log.appendAsLeader(records, Integer.parseInt(words[1]),
                    AppendOrigin.valueOf(words[2]), MetadataVersion.IBP_3_9_IV0, RequestLocal.NoCaching(),
                    VerificationGuard.SENTINEL);
                return info.firstOffset() + " " + info.lastOffset();
            }
            case "follow": {
                MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(HexFormat.of().parseHex(words[2])));
                LogAppendInfo info = log.appendAsFollower(records, Integer.parseInt(words[1]));
                return info.firstOffset() + " " + info.lastOffset();
            }
            case "hw": return String.valueOf(log.updateHighWatermark(Long.parseLong(words[1])));
            case "truncate": return String.valueOf(log.truncateTo(Long.parseLong(words[1])));
            case "restart": log.truncateFullyAndStartAt(Long.parseLong(words[1]), scala.Option.empty()); return "ok";
            case "roll": return String.valueOf(log.roll(scala.Option.empty()).baseOffset());
            case "retain": return String.valueOf(log.deleteOldSegments());
            case "start": return String.valueOf(log.maybeIncrementLogStartOffset(Long.parseLong(words[1]),
                LogStartOffsetIncrementReason.ClientRecordDeletion));
            case "clean": return clean(log, Long.parseLong(words[1]), Long.parseLong(words[2]));
            case "flush": log.flush(true); return "ok";
            case "close": log.flush(true); log.close(); return "ok";
            default: return "error UnknownCommand";
        }
    }
}
