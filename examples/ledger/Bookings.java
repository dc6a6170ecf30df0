import com.google.common.collect.ImmutableMap;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.IOException;
import java.io.Reader;
import java.math.BigDecimal;
import java.sql.SQLException;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.lang3.StringUtils;

/** Bookings in one file of H2; the only class that knows SQL. */
final class Bookings {
  private static final CSVFormat format =
      CSVFormat.DEFAULT.builder().setHeader("day", "purpose", "amount").setSkipHeaderRecord(true).build();

  private final HikariDataSource database;

  Bookings(String file) throws SQLException {
    var config = new HikariConfig();
    config.setJdbcUrl("jdbc:h2:file:" + file + ";DB_CLOSE_ON_EXIT=FALSE");
    config.setMaximumPoolSize(4);
    database = new HikariDataSource(config);
    Runtime.getRuntime().addShutdownHook(new Thread(database::close));
    try (var connection = database.getConnection();
        var statement = connection.createStatement()) {
      statement.execute(
          "CREATE TABLE IF NOT EXISTS booking"
              + " (booked DATE NOT NULL, purpose VARCHAR(100) NOT NULL, amount DECIMAL(12, 2) NOT NULL)");
    }
  }

  /** All lines of a CSV with the columns day, purpose and amount, or none of them. */
  int add(Reader csv) throws IOException, SQLException {
    var added = 0;
    try (var connection = database.getConnection();
        var insert = connection.prepareStatement("INSERT INTO booking VALUES (?, ?, ?)")) {
      connection.setAutoCommit(false);
      try {
        for (var line : format.parse(csv)) {
          var purpose = StringUtils.strip(line.get("purpose"));
          if (StringUtils.isEmpty(purpose) || purpose.length() > 100)
            throw new IllegalArgumentException("line " + line.getRecordNumber() + ": the purpose has 1 to 100 letters");
          insert.setObject(1, LocalDate.parse(line.get("day")));
          insert.setString(2, purpose);
          insert.setBigDecimal(3, new BigDecimal(line.get("amount")));
          insert.executeUpdate();
          added++;
        }
        connection.commit();
      } finally {
        connection.rollback();
      }
    }
    return added;
  }

  List<Map<String, Object>> sums() throws SQLException {
    var query =
        "SELECT FORMATDATETIME(booked, 'yyyy-MM') AS written, purpose, SUM(amount) AS total"
            + " FROM booking GROUP BY written, purpose ORDER BY written DESC, purpose";
    var sums = new ArrayList<Map<String, Object>>();
    try (var connection = database.getConnection();
        var statement = connection.createStatement();
        var rows = statement.executeQuery(query)) {
      while (rows.next())
        sums.add(ImmutableMap.of("month", rows.getString(1), "purpose", rows.getString(2), "sum", rows.getBigDecimal(3)));
    }
    return sums;
  }

  long count() throws SQLException {
    try (var connection = database.getConnection();
        var statement = connection.createStatement();
        var rows = statement.executeQuery("SELECT COUNT(*) FROM booking")) {
      rows.next();
      return rows.getLong(1);
    }
  }
}
