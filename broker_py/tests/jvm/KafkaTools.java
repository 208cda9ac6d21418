// SPDX-License-Identifier: Apache-2.0
// Apache Kafka's command line tools, many runs in one JVM, since starting a JVM takes longer than what it is
// started for. Usage: java -cp 'libs/*' KafkaTools.java
// One run per request on standard input, and one answer on standard output, each a list of strings in Java's
// DataOutput format (int32 count, then int32 length and UTF-8 bytes each). Request: main class, standard input,
// arguments. Answer: exit status, standard output, standard error.

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.File;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.security.Permission;
import java.security.Policy;
import java.security.ProtectionDomain;
import java.util.ArrayList;
import java.util.List;

public class KafkaTools {
    private static final List<String> TOOLS = List.of("org.apache.kafka.tools.", "kafka.tools.");
    /** Where releases have it. */
    private static final List<String> EXIT =
        List.of("org.apache.kafka.common.utils.Exit", "org.apache.kafka.common.utils.internals.Exit");

    /** What ends a tool's run when it calls Exit.exit or Exit.halt. */
    static final class Exited extends Error {
        Exited(int status) {
            super("exit " + status, null, false, false);
        }
    }

    /** System.out and System.err are remembered by static fields all over, so they stay and their target goes. */
    static final class Switch extends OutputStream {
        private ByteArrayOutputStream target = new ByteArrayOutputStream();
        private boolean ended = false;

        @Override
        public synchronized void write(int value) {
            if (!ended)
                target.write(value);
        }

        @Override
        public synchronized void write(byte[] bytes, int offset, int length) {
            if (!ended)
                target.write(bytes, offset, length);
        }

        synchronized void end() {
            ended = true;
        }

        synchronized String take() {
            String taken = target.toString(StandardCharsets.UTF_8);
            target = new ByteArrayOutputStream();
            ended = false;
            return taken;
        }
    }

    private static final Switch out = new Switch();
    private static final Switch err = new Switch();
    private static final List<Runnable> shutdownHooks = new ArrayList<>();
    private static Integer exitStatus;

    /** A process would be gone: what the tool's catch clauses make of the Error is neither heard nor believed. */
    private static synchronized void exit(int status) {
        if (exitStatus == null)
            exitStatus = status;
        System.out.flush();
        System.err.flush();
        out.end();
        err.end();
        throw new Exited(status);
    }

    /** Fresh static fields for every run: the console consumer, for one, counts in a static field. */
    static final class FreshTools extends URLClassLoader {
        FreshTools(URL[] jars) {
            super(jars, KafkaTools.class.getClassLoader());
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            synchronized (getClassLoadingLock(name)) {
                Class<?> loaded = findLoadedClass(name);
                if (loaded == null && TOOLS.stream().anyMatch(name::startsWith)) {
                    try {
                        loaded = findClass(name);
                    } catch (ClassNotFoundException elsewhere) {
                        loaded = null;
                    }
                }
                return loaded == null ? super.loadClass(name, resolve) : loaded;
            }
        }
    }

    public static void main(String[] ignored) throws IOException {
        DataInputStream requests = new DataInputStream(System.in);
        DataOutputStream answers = new DataOutputStream(new FileOutputStream(FileDescriptor.out));
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        takeExits();
        takeSystemExit();
        while (true) {
            List<String> request;
            try {
                request = readStrings(requests);
            } catch (EOFException closed) {
                return;
            }
            exitStatus = null;
            int status = run(request.get(0), request.get(1), request.subList(2, request.size()));
            System.out.flush();
            System.err.flush();
            if (exitStatus != null)
                status = exitStatus;
            writeStrings(answers, List.of(Integer.toString(status), out.take(), err.take()));
        }
    }

    /** Have Kafka's Exit end the run instead of the JVM. Kafka 2.1 does not let it add shutdown hooks. */
    private static void takeExits() {
        InvocationHandler end = (proxy, method, arguments) -> {
            exit((Integer) arguments[0]);
            return null;
        };
        InvocationHandler hook = (proxy, method, arguments) -> {
            shutdownHooks.add((Runnable) arguments[1]);
            return null;
        };
        for (Method setter : exitClass().getMethods()) {
            switch (setter.getName()) {
                case "setExitProcedure", "setHaltProcedure" -> set(setter, end);
                case "setShutdownHookAdder" -> set(setter, hook);
                default -> { }
            }
        }
    }

    /** Those that read their words with argparse4j leave by System.exit (needs -Djava.security.manager=allow). */
    @SuppressWarnings("removal")
    private static void takeSystemExit() {
        Policy.setPolicy(new Policy() {
            @Override
            public boolean implies(ProtectionDomain domain, Permission permission) {
                return true;
            }
        });
        System.setSecurityManager(new SecurityManager() {
            @Override
            public void checkExit(int status) {
                KafkaTools.exit(status);
            }

            @Override
            public void checkPermission(Permission permission) {
            }
        });
    }

    private static Class<?> exitClass() {
        for (String name : EXIT) {
            try {
                return Class.forName(name);
            } catch (ClassNotFoundException elsewhere) {
                continue;
            }
        }
        throw new IllegalStateException("no Exit of Kafka on the class path");
    }

    private static void set(Method setter, InvocationHandler handler) {
        Class<?> type = setter.getParameterTypes()[0];
        try {
            setter.invoke(null, Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler));
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(error);
        }
    }

    private static int run(String main, String input, List<String> arguments) throws IOException {
        System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
        try (FreshTools tools = new FreshTools(toolJars())) {
            Thread.currentThread().setContextClassLoader(tools);
            try {
                tools.loadClass(main).getMethod("main", String[].class)
                    .invoke(null, (Object) arguments.toArray(new String[0]));
            } finally {
                shutdownHooks.forEach(Runnable::run);
                shutdownHooks.clear();
            }
            return 0;
        } catch (InvocationTargetException thrown) {
            thrown.getCause().printStackTrace();
            return 1;
        } catch (ReflectiveOperationException absent) {
            absent.printStackTrace();
            return 127;
        }
    }

    private static URL[] toolJars() throws IOException {
        List<URL> jars = new ArrayList<>();
        for (String path : System.getProperty("java.class.path").split(File.pathSeparator)) {
            String name = new File(path).getName();
            if (name.startsWith("kafka-tools-") && !name.startsWith("kafka-tools-api") || name.startsWith("kafka_2."))
                jars.add(new File(path).toURI().toURL());
        }
        return jars.toArray(new URL[0]);
    }

    private static List<String> readStrings(DataInputStream input) throws IOException {
        List<String> strings = new ArrayList<>();
        int count = input.readInt();
        while (strings.size() < count)
            strings.add(new String(input.readNBytes(input.readInt()), StandardCharsets.UTF_8));
        return strings;
    }

    private static void writeStrings(DataOutputStream output, List<String> strings) throws IOException {
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        DataOutputStream data = new DataOutputStream(whole);
        data.writeInt(strings.size());
        for (String string : strings) {
            byte[] bytes = string.getBytes(StandardCharsets.UTF_8);
            data.writeInt(bytes.length);
            data.write(bytes);
        }
        output.write(whole.toByteArray());
        output.flush();
    }
}
