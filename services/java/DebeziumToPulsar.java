// A real Debezium engine: reads the log of a Postgres and publishes each change to a real Pulsar, the change's
// key as the message's key. The first argument names a file of properties: those of the engine, and
// `pulsar.url` and `pulsar.namespace`. A change that cannot be published stops it: nothing is skipped.

import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.format.Json;
import java.io.File;
import java.io.FileReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.pulsar.client.api.MessageId;
import org.apache.pulsar.client.api.Producer;
import org.apache.pulsar.client.api.PulsarClient;
import org.apache.pulsar.client.api.PulsarClientException;

public class DebeziumToPulsar {
    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        try (FileReader file = new FileReader(arguments[0])) {
            properties.load(file);
        }
        new File(properties.getProperty("offset.storage.file.filename")).getParentFile().mkdirs();
        String namespace = (String) properties.remove("pulsar.namespace");
        PulsarClient pulsar =
                PulsarClient.builder().serviceUrl((String) properties.remove("pulsar.url")).build();
        Map<String, Producer<byte[]>> producers = new ConcurrentHashMap<>();
        DebeziumEngine<ChangeEvent<String, String>> engine = DebeziumEngine.create(Json.class)
                .using(properties)
                .using((success, message, error) -> {
                    System.out.println("engine ended: " + message + " " + error);
                    System.exit(success ? 0 : 1);
                })
                .using(new DebeziumEngine.ConnectorCallback() {
                    @Override
                    public void taskStarted() {
                        System.out.println("engine started");
                    }
                })
                .notifying((changes, committer) -> {
                    List<CompletableFuture<MessageId>> sent = new ArrayList<>();
                    for (ChangeEvent<String, String> change : changes) {
                        Producer<byte[]> producer = producers.computeIfAbsent(
                                change.destination(), topic -> producer(pulsar, namespace + "/" + topic));
                        var message = producer.newMessage();
                        if (change.key() != null) {
                            message.key(change.key());
                        }
                        // A tombstone has no value.
                        message.value(change.value() == null ? null : change.value().getBytes(StandardCharsets.UTF_8));
                        sent.add(message.sendAsync());
                    }
                    for (CompletableFuture<MessageId> one : sent) {
                        one.join();
                    }
                    for (ChangeEvent<String, String> change : changes) {
                        committer.markProcessed(change);
                    }
                    committer.markBatchFinished();
                })
                .build();
        engine.run();
    }

    private static Producer<byte[]> producer(PulsarClient pulsar, String topic) {
        try {
            return pulsar.newProducer().topic("persistent://" + topic).blockIfQueueFull(true).create();
        } catch (PulsarClientException problem) {
            throw new IllegalStateException(problem);
        }
    }
}
