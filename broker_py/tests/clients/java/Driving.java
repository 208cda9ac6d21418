// SPDX-License-Identifier: Apache-2.0
// What the Java drivers share: conditions, and a line of JSON per feature (features.py).

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;

final class Driving {
    static final long DEADLINE_MS = 60_000;
    static final int COUNT = 100;
    static final int CODEC_COUNT = 50;
    static final int OTHERS_COUNT = 20;

    interface Feature {
        void run() throws Exception;
    }

    interface Condition {
        boolean met() throws Exception;
    }

    private Driving() {
    }

    static void drive(Map<String, Feature> features, Map<String, String> notInClient, String[] only) {
        for (Map.Entry<String, Feature> feature : features.entrySet()) {
            String name = feature.getKey();
            if (only.length > 0 && !Arrays.asList(only).contains(name))
                continue;
            try {
                feature.getValue().run();
                answer(name, "yes", "");
            } catch (Throwable error) {
                error.printStackTrace();
                answer(name, "FAILED", error.toString());
            }
        }
        notInClient.forEach((name, why) -> answer(name, "no", why));
        System.exit(0);
    }

    private static void answer(String feature, String cell, String why) {
        String escaped = why.replace("\\", "\\\\").replace("\"", "\\\"").replaceAll("\\s", " ");
        System.out.printf("{\"feature\": \"%s\", \"cell\": \"%s\", \"why\": \"%s\"}%n", feature, cell, escaped);
        System.out.flush();
    }

    static void until(Condition condition, String what) throws Exception {
        long deadline = System.currentTimeMillis() + DEADLINE_MS;
        while (!condition.met()) {
            if (System.currentTimeMillis() > deadline)
                throw new AssertionError("waited for " + what);
            Thread.sleep(10);
        }
    }

    static void expect(Object found, Object wanted, String what) {
        if (!Objects.equals(found, wanted))
            throw new AssertionError(what + ": " + found + ", not " + wanted);
    }

    static List<String> numbered(String prefix, int count) {
        List<String> values = new ArrayList<>();
        for (int number = 0; number < count; number++)
            values.add(prefix + number);
        return values;
    }

    /** Long enough that no producer finds them not worth compressing. */
    static List<String> codecValues(String codec) {
        List<String> values = new ArrayList<>();
        for (String value : numbered(codec + " ", CODEC_COUNT))
            values.add(value + " squeeze squeeze squeeze squeeze squeeze squeeze squeeze squeeze");
        return values;
    }
}
