import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.google.common.collect.ImmutableMap;
import freemarker.template.Configuration;
import freemarker.template.TemplateException;
import java.io.File;
import java.io.IOException;
import java.sql.SQLException;
import javax.servlet.http.HttpServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.servlet.ServletContextHandler;
import org.eclipse.jetty.servlet.ServletHolder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Bookings over HTTP: taken as CSV, added up by month and purpose, given as JSON and as a page. */
public final class Ledger {
  private static final Logger log = LoggerFactory.getLogger(Ledger.class);
  private static final ObjectMapper json = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  public static void main(String[] words) throws Exception {
    var port = Integer.parseInt(System.getenv().getOrDefault("PORT", "8080"));
    var bookings = new Bookings(System.getenv().getOrDefault("LEDGER_FILE", "./ledger"));
    var templates = new Configuration(Configuration.VERSION_2_3_31);
    templates.setDirectoryForTemplateLoading(new File(System.getenv().getOrDefault("LEDGER_VIEWS", "views")));
    var context = new ServletContextHandler();
    context.addServlet(new ServletHolder(new Health(bookings)), "/health");
    context.addServlet(new ServletHolder(new Api(bookings)), "/api/bookings");
    context.addServlet(new ServletHolder(new Page(bookings, templates)), "/");
    var server = new Server(port);
    server.setHandler(context);
    server.setStopAtShutdown(true);
    server.start();
    log.info("listening on {}", port);
    server.join();
  }

  private static void answer(HttpServletResponse response, int status, Object value) throws IOException {
    response.setStatus(status);
    response.setContentType("application/json");
    json.writeValue(response.getOutputStream(), value);
  }

  private static final class Health extends HttpServlet {
    private final transient Bookings bookings;

    Health(Bookings bookings) {
      this.bookings = bookings;
    }

    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
      try {
        answer(response, 200, ImmutableMap.of("ok", true, "bookings", bookings.count()));
      } catch (SQLException error) {
        answer(response, 503, ImmutableMap.of("ok", false, "error", error.getMessage()));
      }
    }
  }

  private static final class Api extends HttpServlet {
    private final transient Bookings bookings;

    Api(Bookings bookings) {
      this.bookings = bookings;
    }

    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
      try {
        answer(response, 200, ImmutableMap.of("sums", bookings.sums()));
      } catch (SQLException error) {
        answer(response, 500, ImmutableMap.of("error", error.getMessage()));
      }
    }

    @Override
    protected void doPost(HttpServletRequest request, HttpServletResponse response) throws IOException {
      try {
        answer(response, 201, ImmutableMap.of("added", bookings.add(request.getReader())));
      } catch (IllegalArgumentException | java.time.DateTimeException error) {
        answer(response, 400, ImmutableMap.of("error", String.valueOf(error.getMessage())));
      } catch (SQLException error) {
        answer(response, 500, ImmutableMap.of("error", error.getMessage()));
      }
    }
  }

  private static final class Page extends HttpServlet {
    private final transient Bookings bookings;
    private final transient Configuration templates;

    Page(Bookings bookings, Configuration templates) {
      this.bookings = bookings;
      this.templates = templates;
    }

    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
      response.setContentType("text/html;charset=utf-8");
      try {
        templates.getTemplate("ledger.ftlh").process(ImmutableMap.of("sums", bookings.sums()), response.getWriter());
      } catch (SQLException | TemplateException error) {
        log.error("cannot show the page", error);
        response.setStatus(500);
      }
    }
  }
}
